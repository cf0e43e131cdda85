"""Identifiers of any type as somebody writes them, in the spelling under which the warehouse files them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from cdp.channels import PLATFORM_IDS
from cdp.normalise.cleaning import written
from cdp.normalise.person import normalise_device_tokens, normalise_emails
from cdp.normalise.phone import normalise_phones

_PATTERNS = {one.type: one.pattern for one in PLATFORM_IDS}


def normalise_identifiers(kind: str, raw: Sequence[str], default_region: str) -> list[str | None]:
    """The spelling of each of `raw`, all of one type; None of what is not an identifier of this type.

    A phone number without a country code is one of `default_region`.
    """
    values = pl.DataFrame({"raw": raw}, schema={"raw": pl.String})
    match kind:
        case "email":
            return normalise_emails(values)["email"].to_list()
        case "phone":
            anywhere = values.with_columns(country=pl.lit(None, pl.String))
            return normalise_phones(anywhere, default_region)["phone"].to_list()
        case "device_token":
            return normalise_device_tokens(values)["device_token"].to_list()
        case _ if kind in _PATTERNS:
            return normalise_platform_ids(values, _PATTERNS[kind])["platform_id"].to_list()
        case _:
            return [value.strip() or None for value in raw]


def normalise_platform_ids(values: pl.DataFrame, pattern: str) -> pl.DataFrame:
    """Add `platform_id`: `raw` trimmed, or null if that is no id of this pattern, see `cdp.channels.PlatformId`."""
    return values.with_columns(platform_id=written().str.extract(f"^({pattern})$"))
