"""Who is meant by identifiers: one rule for look-ups, decisions and what comes in live."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cdp.people.live_layer import Identifier, holders_of

# What identifies best comes first: a source's own id of a person before an address that a family may share.
STRENGTH = ("customer_id", "email", "phone", "device_token", "anonymous_id")


@dataclass(frozen=True)
class Match:
    """A profile and those of the identifiers asked for that it has, as (type, value), the strongest first."""

    profile_id: str
    matched: tuple[Identifier, ...]


def strength(identifier: Identifier) -> tuple[int, str]:
    """The order of identifiers, the strongest first."""
    kind, value = identifier
    return (STRENGTH.index(kind) if kind in STRENGTH else len(STRENGTH), value)


def lookup(connection: sa.Connection, identifiers: Sequence[Identifier]) -> list[Match]:
    """Profiles, published or met since, that have any of these normalised identifiers, best first.

    The strongest identifier decides (see `STRENGTH`), then how many match, then the older id.
    """
    return _matches(identifiers, _holders(connection, set(identifiers)))


def resolve(connection: sa.Connection, asked: Sequence[Collection[Identifier]]) -> list[str | None]:
    """The best match of each collection of normalised identifiers, if there is one."""
    holders = _holders(connection, {identifier for identifiers in asked for identifier in identifiers})
    found = (_matches(identifiers, holders) for identifiers in asked)
    return [matches[0].profile_id if matches else None for matches in found]


def _holders(connection: sa.Connection, wanted: Collection[Identifier]) -> Mapping[Identifier, set[str]]:
    held = holders_of(connection, wanted)
    return {one: {*held.published.get(one, ()), *held.live.get(one, ())} for one in wanted}


def _matches(identifiers: Iterable[Identifier], holders: Mapping[Identifier, Iterable[str]]) -> list[Match]:
    matched: dict[str, set[Identifier]] = {}
    for identifier in identifiers:
        for profile_id in holders[identifier]:
            matched.setdefault(profile_id, set()).add(identifier)
    found = [Match(profile_id, tuple(sorted(held, key=strength))) for profile_id, held in matched.items()]
    return sorted(found, key=lambda match: (strength(match.matched[0])[0], -len(match.matched), match.profile_id))
