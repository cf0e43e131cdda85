"""Reading people by id, as of now, many at a time with a fixed number of statements.

A person is the document published by the last run plus the live layer since; see `current`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import from_json

from cdp.people.current import (
    NOTHING_LIVE,
    LiveEvent,
    LiveIdentifier,
    LiveLayer,
    LiveMember,
    current,
    live_only_document,
)
from cdp.people.document import ProfileDocument
from cdp.people.tables import aliases, live_engagement, live_identifiers, live_members, profiles
from cdp.store import Store
from cdp.store.prepared import Prepared, among


@dataclass(frozen=True)
class Person:
    """A known person: published, or new since the last run.

    document: as of now.
    published: as of the last run; None for a person who is new since.
    live: the live layer since the last run.
    retired_id: the requested id, if it was merged into this one.
    """

    profile_id: str
    document: ProfileDocument
    published: ProfileDocument | None
    live: LiveLayer = NOTHING_LIVE
    retired_id: str | None = None

    @property
    def all_ids(self) -> Sequence[str]:
        """The person's id and the ids that were merged into it."""
        return (self.profile_id, *self.document["identity"]["aliases"])

    @property
    def country(self) -> str | None:
        """ISO 3166 alpha-2 code, if known."""
        return self.document["traits"]["country"]


def read_people(connection: sa.Connection, ids: Set[str]) -> dict[str, Person]:
    """The people by the requested `ids`; an id that was merged away leads to its survivor."""
    if not ids:
        return {}
    published = [_Published(*row) for row in _PUBLISHED.rows(connection, ids=ids)]
    published += _survivors(connection, ids - {one.asked_id for one in published})
    unknown = ids - {one.asked_id for one in published}
    live = _live(connection, {one.profile_id for one in published if one.has_live} | unknown)
    found = {one.asked_id: _published_person(one, live.get(one.profile_id, NOTHING_LIVE)) for one in published}
    new = {one: live[one] for one in unknown if one in live and live[one].members}
    return found | {one: Person(one, live_only_document(one, layer), None, layer) for one, layer in new.items()}


def find_person(connection: sa.Connection, profile_id: str) -> Person | None:
    """The person with this id, or the survivor if it was merged away."""
    return read_people(connection, {profile_id}).get(profile_id)


def read_person(store: Store, profile_id: str) -> Person | None:
    """As `find_person`, but faster for a current id without live data."""
    row = store.first(_BY_ID, profile_id=profile_id)
    if row and not row[1]:
        document: ProfileDocument = from_json(row[0])
        return Person(profile_id, document, document)
    with store.read() as connection:
        return find_person(connection, profile_id)


class _Published(NamedTuple):
    """A published profile by the requested id. `has_live`: the live layer has data about it."""

    asked_id: str
    profile_id: str
    document: str
    has_live: bool


def _published_person(found: _Published, live: LiveLayer) -> Person:
    document: ProfileDocument = from_json(found.document)
    retired_id = found.asked_id if found.asked_id != found.profile_id else None
    return Person(found.profile_id, current(document, live), document, live, retired_id)


# Statements are prepared once: building one takes longer than SQLite needs to answer it.
_LIVE_TABLES = (live_members, live_identifiers, live_engagement)
_HAS_LIVE = sa.or_(*(sa.exists().where(table.c.profile_id == profiles.c.profile_id) for table in _LIVE_TABLES))
_PROFILE = (profiles.c.profile_id, profiles.c.document, _HAS_LIVE)

_BY_ID = Prepared(
    sa.select(profiles.c.document, _HAS_LIVE).where(profiles.c.profile_id == sa.bindparam("profile_id", type_=sa.Text))
)
_PUBLISHED = Prepared(sa.select(profiles.c.profile_id, *_PROFILE).where(among(profiles.c.profile_id, "ids")))

_MEMBERS = Prepared(
    sa.select(*(live_members.c[column.name] for column in fields(LiveMember)))
    .where(among(live_members.c.profile_id, "ids"))
    .order_by(live_members.c.inbox_seq, live_members.c.observation_id)
)

_IDENTIFIERS = Prepared(
    sa.select(*(live_identifiers.c[column.name] for column in fields(LiveIdentifier)))
    .where(among(live_identifiers.c.profile_id, "ids"))
    .order_by(live_identifiers.c.inbox_seq, live_identifiers.c.type, live_identifiers.c.value)
)

_EVENTS = Prepared(
    sa.select(*(live_engagement.c[column.name] for column in fields(LiveEvent)))
    .where(among(live_engagement.c.profile_id, "ids"))
    .order_by(live_engagement.c.occurred_at, live_engagement.c.event_id)
)


def _ends() -> Prepared:
    first = sa.select(aliases.c.old_profile_id.label("asked"), aliases.c.profile_id)
    chain = first.where(among(aliases.c.old_profile_id, "ids")).cte("chain", recursive=True)
    later = sa.select(chain.c.asked, aliases.c.profile_id).join(chain, aliases.c.old_profile_id == chain.c.profile_id)
    # UNION, not UNION ALL: it terminates even if aliases form a cycle.
    ends = chain.union(later)
    return Prepared(sa.select(ends.c.asked, *_PROFILE).join(profiles, profiles.c.profile_id == ends.c.profile_id))


_ENDS = _ends()


def _survivors(connection: sa.Connection, retired: Collection[str]) -> list[_Published]:
    """The profiles at the ends of the alias chains that start from `retired`."""
    return [_Published(*row) for row in _ENDS.rows(connection, ids=retired)] if retired else []


def _live(connection: sa.Connection, ids: Collection[str]) -> dict[str, LiveLayer]:
    """The live layer by profile; profiles without live data are omitted."""
    if not ids:
        return {}
    members, identifiers, events = (
        _by_profile([kind(*row) for row in statement.rows(connection, ids=ids)])
        for kind, statement in ((LiveMember, _MEMBERS), (LiveIdentifier, _IDENTIFIERS), (LiveEvent, _EVENTS))
    )
    return {
        one: LiveLayer(members.get(one, ()), identifiers.get(one, ()), events.get(one, ()))
        for one in members.keys() | identifiers.keys() | events.keys()
    }


def _by_profile(rows: Sequence[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.profile_id, []).append(row)
    return found


def first_profile_ids(connection: sa.Connection, limit: int) -> list[str]:
    """The published profiles with the smallest ids, for examples."""
    ids = sa.select(profiles.c.profile_id).order_by(profiles.c.profile_id).limit(limit)
    return list(connection.execute(ids).scalars())
