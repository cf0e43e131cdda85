"""Normalisation of identifiers from requests to the spelling used in the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.schemas import Identifier
from cdp.normalise import normalise_identifiers


def normalised(identifiers: Sequence[Identifier], default_region: str) -> list[tuple[str, str]]:
    """(type, value) of the identifiers that are valid for their type, without duplicates."""
    return normalised_each([identifiers], default_region)[0]


def normalised_each(collections: Sequence[Sequence[Identifier]], default_region: str) -> list[list[tuple[str, str]]]:
    """Like `normalised`, for many collections of identifiers at once."""
    raw_values: dict[str, dict[str, str | None]] = {}
    for identifiers in collections:
        for identifier in identifiers:
            raw_values.setdefault(identifier.type, {})[identifier.value] = None
    for kind, values in raw_values.items():
        raw_values[kind] = dict(zip(values, normalise_identifiers(kind, list(values), default_region), strict=True))
    return [_valid(identifiers, raw_values) for identifiers in collections]


def _valid(identifiers: Sequence[Identifier], normal: Mapping[str, Mapping[str, str | None]]) -> list[tuple[str, str]]:
    found = ((one.type, normal[one.type][one.value]) for one in identifiers)
    return list(dict.fromkeys((kind, value) for kind, value in found if value))
