"""Identifiers as a caller writes them, in the spelling under which the warehouse files them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from api.schemas import Identifier
from cdp.normalise import normalise_device_tokens, normalise_emails, normalise_phones


def normalised(identifiers: Sequence[Identifier], default_region: str) -> list[tuple[str, str]]:
    """(type, value) of the identifiers that can be read as what they claim to be, each once."""
    raw_values: dict[str, list[str]] = {}
    for identifier in identifiers:
        raw_values.setdefault(identifier.type, []).append(identifier.value)
    found = [
        (kind, value) for kind, raw in raw_values.items() for value in _normalise(kind, raw, default_region) if value
    ]
    return list(dict.fromkeys(found))


def _normalise(kind: str, raw: list[str], default_region: str) -> list[str | None]:
    values = pl.DataFrame({"raw": raw}, schema={"raw": pl.String})
    match kind:
        case "email":
            return normalise_emails(values)["email"].to_list()
        case "phone":
            anywhere = values.with_columns(country=pl.lit(None, pl.String))
            return normalise_phones(anywhere, default_region)["phone"].to_list()
        case "device_token":
            return normalise_device_tokens(values)["device_token"].to_list()
        case _:
            return [value.strip() for value in raw]
