"""Finding people by identifiers: one rule for lookups, decisions and live payloads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from cdp.people.identifiers import Identifier, Match, matches_of
from cdp.people.live_layer import holders_of


def lookup(connection: sa.Connection, identifiers: Sequence[Identifier]) -> list[Match]:
    """Profiles, published or live, that have any of these normalised identifiers, best match first.

    The strongest identifier decides (see `STRENGTH`), then the number of matches, then the older id.
    """
    return lookup_each(connection, [identifiers])[0]


def lookup_each(connection: sa.Connection, asked: Sequence[Collection[Identifier]]) -> list[list[Match]]:
    """`lookup` for many collections of identifiers at once."""
    holders = _holders(connection, {identifier for identifiers in asked for identifier in identifiers})
    return [matches_of(identifiers, holders) for identifiers in asked]


def resolve(connection: sa.Connection, asked: Sequence[Collection[Identifier]]) -> list[str | None]:
    """The best match for each collection of normalised identifiers, if there is one."""
    return [matches[0].profile_id if matches else None for matches in lookup_each(connection, asked)]


def _holders(connection: sa.Connection, wanted: Collection[Identifier]) -> Mapping[Identifier, set[str]]:
    held = holders_of(connection, wanted)
    # Anybody can send an event with somebody's address. Whom a run has found to hold it stands; the next run decides.
    return {one: set(held.published.get(one, []) or held.live.get(one, [])) for one in wanted}
