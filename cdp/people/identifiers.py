"""Identifiers and how strongly each identifies a person. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cdp.channels import PLATFORM_ID_TYPES

# (type, normalised value); a customer_id carries its source, such as `shopify:1234`.
Identifier = tuple[str, str]

# The strongest first: a source's own customer id before an address that a family may share.
STRENGTH = ("customer_id", "email", "phone", *PLATFORM_ID_TYPES, "device_token", "anonymous_id")


@dataclass(frozen=True)
class Match:
    """A profile and the requested identifiers that it holds, as (type, value), strongest first."""

    profile_id: str
    matched: tuple[Identifier, ...]


def strength(identifier: Identifier) -> tuple[int, str]:
    """Sort key of identifiers, strongest first."""
    kind, value = identifier
    return (STRENGTH.index(kind) if kind in STRENGTH else len(STRENGTH), value)


def matches_of(identifiers: Iterable[Identifier], holders: Mapping[Identifier, Iterable[str]]) -> list[Match]:
    """The profiles that hold any of the identifiers, ordered by strongest match, number of matches, and oldest id."""
    matched: dict[str, set[Identifier]] = {}
    for identifier in identifiers:
        for profile_id in holders[identifier]:
            matched.setdefault(profile_id, set()).add(identifier)
    found = [Match(profile_id, tuple(sorted(held, key=strength))) for profile_id, held in matched.items()]
    return sorted(found, key=lambda match: (strength(match.matched[0])[0], -len(match.matched), match.profile_id))
