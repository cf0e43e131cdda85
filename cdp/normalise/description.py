"""Cleans a description of a person column by column: the one place where raw values become comparable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial

import polars as pl

from cdp.normalise.dates import normalise_dates
from cdp.normalise.person import (
    normalise_device_tokens,
    normalise_emails,
    normalise_languages,
    normalise_names,
)
from cdp.normalise.phone import normalise_phones
from cdp.normalise.place import normalise_countries, normalise_postcodes

Normaliser = Callable[[pl.DataFrame], pl.DataFrame]

# Below this many descriptions, cleaning repeated values costs less than finding the distinct ones.
FEW = 500

TRIMMED = ("customer_id", "street", "city", "region", "timezone", "anonymous_id")


def normalise_descriptions(
    described: pl.DataFrame, countries: pl.DataFrame, *, default_region: str, today: date
) -> pl.DataFrame:
    """Clean the person columns of `conformed.observations` that a frame has; other columns are unchanged.

    Args:
        described: raw text values, one row per description.
        countries: see `read_countries`.
        default_region: country of phone numbers without a country prefix.
        today: birthdays after this day are implausible.

    Returns:
        The same rows in the same order; invalid values are null.
    """
    cleaned = described.with_columns(pl.col(name).pipe(_trimmed) for name in TRIMMED if name in described.columns)
    if "country" not in cleaned.columns:
        cleaned = cleaned.with_columns(country=pl.lit(None, pl.String))
    # Countries first: the reading of phones, postcodes and dates depends on them.
    steps: dict[str, Normaliser] = {
        "country": partial(normalise_countries, countries=countries),
        "first_name": normalise_names,
        "last_name": normalise_names,
        "email": normalise_emails,
        "phone": partial(normalise_phones, default_region=default_region),
        "date_of_birth": partial(normalise_dates, today=today),
        "postcode": normalise_postcodes,
        "language": normalise_languages,
        "device_token": normalise_device_tokens,
    }
    for column, normalise in steps.items():
        if column in described.columns:
            cleaned = _with_clean(cleaned, column, normalise)
    return cleaned


def _with_clean(described: pl.DataFrame, column: str, normalise: Normaliser) -> pl.DataFrame:
    """Clean the distinct values of a column, each together with the country of its description."""
    raw, country = pl.col(column).alias("raw"), pl.col("country") if column != "country" else pl.lit(None, pl.String)
    keyed = described.select(raw, country.alias("country"))
    if described.height < FEW:
        return described.with_columns(_clean(keyed, column, normalise).alias(column))
    distinct = keyed.unique().filter(pl.col("raw").is_not_null())
    found = distinct.with_columns(_clean(distinct, column, normalise).alias("clean"))
    joined = keyed.join(found, on=["raw", "country"], how="left", nulls_equal=True, maintain_order="left")
    return described.with_columns(joined["clean"].alias(column))


def _clean(values: pl.DataFrame, column: str, normalise: Normaliser) -> pl.Series:
    return normalise(values.select("raw") if column == "country" else values).get_columns()[-1]


def _trimmed(column: pl.Expr) -> pl.Expr:
    # Ids and places keep their spelling, without control characters: PostgreSQL rejects NUL.
    text = column.str.replace_all(r"[\x00-\x1F\x7F]+", " ").str.strip_chars()
    return pl.when(text != "").then(text)
