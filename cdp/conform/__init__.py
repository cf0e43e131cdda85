"""Conforming: raw rows become items with ids, by the same SQL in a run and live.

The relations, in the order in which they are created; each is a SELECT in `sql/`, named after it:

    landed (file_id, line_number, payload, received_at) → every_item → raw → mapped (result of the source's SELECT, and
    `too_deep`; `MAPPED`) → keyed → descriptions → cleaned (`clean`; names of time zones are checked against
    `timezones`) → described → items

A run creates them as temporary tables of the warehouse; the live path prepares statements over tables that stay empty
(`cdp/live/conforming.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl

from cdp import tables
from cdp.contract import Table
from cdp.json_text import MAX_DEPTH
from cdp.normalise import normalise_descriptions
from cdp.sources import MAPPED, STAMP

TIMEZONES = "create or replace temp table timezones as select name from pg_timezone_names()"

# The columns of a description that `normalise_descriptions` cleans; `external_ids` stay as they are.
CLEANED = tuple(column for column in tables.PERSON_COLUMNS if column.name != "external_ids")
RAW_DESCRIPTIONS = f"select rowid as description, {', '.join(column.name for column in CLEANED)} from descriptions"


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


def create_mapped() -> str:
    """SQL that creates the temporary table `mapped`."""
    return f"create or replace temp table mapped ({columns_of(MAPPED)})"


def columns_of(table: Table) -> str:
    """The columns of a table, as listed in DDL."""
    return ", ".join(f"{column.name} {column.type.sql}" for column in table.columns)


def every_item(lists: Sequence[str]) -> str:
    """SELECT of the items in `landed`, whose payloads may wrap a list under one of the keys `lists`."""
    return statement("every_item").replace("$wrapped_list", _wrapped_list(lists))


def insert_mapped(source_name: str, select: str) -> str:
    """SQL that inserts the result of `select` over `raw` into `mapped`, with `source_name` as the source."""
    quoted = source_name.replace("'", "''")
    return (
        f"insert into mapped by name select * replace ('{quoted}' as source) from "
        f"(select null::varchar as source, * from ({select}))"
    )


def insert_unmapped() -> str:
    """SQL that inserts lines without any mapped row into `mapped`, as refused; $1: the source."""
    return f"insert into mapped by name {statement('unmapped')}"


def too_deep() -> str:
    """SELECT of the items of `every_item` that no mapping may read, as refused rows of `mapped`; $1: the source."""
    return statement("too_deep").replace("$depth", str(MAX_DEPTH))


def clean(raw_descriptions: pl.DataFrame, countries: pl.DataFrame, *, region: str, today: date) -> pl.DataFrame:
    """The rows of `RAW_DESCRIPTIONS` with clean values, without columns that are entirely empty.

    Args:
        countries: see `cdp.normalise.read_countries`.
        region: country of phone numbers without a country code.
        today: dates of birth after this day are implausible.
    """
    filled = [name for name in _CLEANED if raw_descriptions[name].null_count() < raw_descriptions.height]
    cleaned = normalise_descriptions(
        raw_descriptions.select("description", *filled), countries, default_region=region, today=today
    )
    return cleaned.select("description", *filled)


def with_all_columns(cleaned: pl.DataFrame) -> pl.DataFrame:
    """The result of `clean` with all columns of the relation `cleaned`."""
    empty = {name: pl.lit(None, kind) for name, kind in _CLEANED.items() if name not in cleaned.columns}
    return cleaned.with_columns(**empty).select("description", *_CLEANED)


_CLEANED = {column.name: column.type.polars for column in CLEANED}


def _wrapped_list(keys: Sequence[str]) -> str:
    """SQL of the path of the list that a payload wraps. Searching for the key first avoids parsing most payloads."""
    stamped = f"""when contains(payload, '"{STAMP}"') and json_type(payload, '$.{STAMP}') is not null then null"""
    branches = " ".join(
        f"""when contains(payload, '"{key}"') and json_type(payload, '$.{key}') = 'ARRAY' then '$.{key}'"""
        for key in keys
    )
    return f"case {stamped} {branches} end" if branches else "null"
