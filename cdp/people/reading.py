"""Many people at a time: who is meant by ids or identifiers, and what the store holds of them.

A person is what the last run published and what has come in since: identifiers and engagement of the live overlay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import from_json

from cdp.people.current import LiveEvent
from cdp.people.live_layer import Identifier, holders_of
from cdp.people.published import STRENGTH
from cdp.people.tables import aliases, live_engagement, live_identifiers, live_members, profiles
from cdp.store.prepared import Prepared, among

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """Somebody known. `document` is empty for somebody met since the last run.

    described: what live payloads say of the person, the latest last, with the keys of an observation.
    engagement: what has happened since the last run, oldest first; nothing of machines.
    """

    profile_id: str
    document: Document
    described: Sequence[Document]
    live_identifiers: Sequence[Identifier]
    engagement: Sequence[LiveEvent]

    @property
    def every_id(self) -> Sequence[str]:
        """The person's id and those that were merged into it."""
        return (self.profile_id, *self.document.get("identity", {}).get("aliases", ()))


def resolve(connection: sa.Connection, asked: Sequence[Collection[Identifier]]) -> list[str | None]:
    """The profile that each collection of normalised identifiers leads to, published or live, if there is one.

    The strongest identifier decides (see `STRENGTH`), then how many match, then the older id.
    """
    wanted = {identifier for identifiers in asked for identifier in identifiers}
    held = holders_of(connection, wanted)
    holders = {one: {*held.published.get(one, ()), *held.live.get(one, ())} for one in wanted}
    return [_best(identifiers, holders) for identifiers in asked]


def _best(identifiers: Iterable[Identifier], holders: Mapping[Identifier, Iterable[str]]) -> str | None:
    matched: dict[str, list[int]] = {}
    for identifier in identifiers:
        for profile_id in holders[identifier]:
            matched.setdefault(profile_id, []).append(STRENGTH.index(identifier[0]))
    return min(matched, key=lambda one: (min(matched[one]), -len(matched[one]), one), default=None)


def read_people(connection: sa.Connection, ids: Set[str]) -> dict[str, Person]:
    """The people whom `ids` lead to, by these ids; ids that were merged away lead to their survivors."""
    if not ids:
        return {}
    published = [_Published(*row) for row in _PUBLISHED.rows(connection, ids=ids)]
    published += _survivors(connection, ids - {one.asked_id for one in published})
    unknown = ids - {one.asked_id for one in published}
    live = _live(connection, {one.profile_id for one in published if one.has_live} | unknown)
    found = {one.asked_id: _person(one.profile_id, from_json(one.document), live) for one in published}
    return found | {one: _person(one, {}, live) for one in unknown & live.ids}


def _person(profile_id: str, document: Document, live: _Live) -> Person:
    described = [from_json(text) for text in live.descriptions.get(profile_id, ())]
    return Person(
        profile_id, document, described, live.identifiers.get(profile_id, ()), live.engagement.get(profile_id, ())
    )


class _Published(NamedTuple):
    """A published profile, by the id that was asked for. `has_live`: something has come in since."""

    asked_id: str
    profile_id: str
    document: str
    has_live: bool


class _Live(NamedTuple):
    """What has come in of people, by profile."""

    descriptions: dict[str, list[str]]
    identifiers: dict[str, list[Identifier]]
    engagement: dict[str, list[LiveEvent]]

    @property
    def ids(self) -> Set[str]:
        return self.descriptions.keys() | self.identifiers.keys()


# Statements are made once: to put one together takes longer than SQLite does to answer it.
_OVERLAY = (live_members, live_identifiers, live_engagement)
_HAS_LIVE = sa.or_(*(sa.exists().where(table.c.profile_id == profiles.c.profile_id) for table in _OVERLAY))
_PROFILE = (profiles.c.profile_id, profiles.c.document, _HAS_LIVE)

_PUBLISHED = Prepared(sa.select(profiles.c.profile_id, *_PROFILE).where(among(profiles.c.profile_id, "ids")))

_DESCRIPTIONS = Prepared(
    sa.select(live_members.c.profile_id, live_members.c.description)
    .where(among(live_members.c.profile_id, "ids"))
    .order_by(live_members.c.inbox_seq, live_members.c.observation_id)
)

_IDENTIFIERS = Prepared(
    sa.select(live_identifiers.c.profile_id, live_identifiers.c.type, live_identifiers.c.value)
    .where(among(live_identifiers.c.profile_id, "ids"))
    .order_by(live_identifiers.c.inbox_seq.desc(), live_identifiers.c.type, live_identifiers.c.value)
)

_ENGAGEMENT = Prepared(
    sa.select(*(live_engagement.c[column.name] for column in fields(LiveEvent)))
    .where(among(live_engagement.c.profile_id, "ids"), live_engagement.c.is_machine.is_(False))
    .order_by(live_engagement.c.occurred_at, live_engagement.c.event_id)
)


def _ends() -> Prepared:
    first = sa.select(aliases.c.old_profile_id.label("asked"), aliases.c.profile_id)
    chain = first.where(among(aliases.c.old_profile_id, "ids")).cte("chain", recursive=True)
    later = sa.select(chain.c.asked, aliases.c.profile_id).join(chain, aliases.c.old_profile_id == chain.c.profile_id)
    # UNION, not UNION ALL: a circle of aliases comes to an end.
    ends = chain.union(later)
    return Prepared(sa.select(ends.c.asked, *_PROFILE).join(profiles, profiles.c.profile_id == ends.c.profile_id))


_ENDS = _ends()


def _survivors(connection: sa.Connection, retired: Collection[str]) -> list[_Published]:
    """The profiles at the ends of the chains of aliases that begin with `retired`."""
    return [_Published(*row) for row in _ENDS.rows(connection, ids=retired)] if retired else []


def _live(connection: sa.Connection, ids: Collection[str]) -> _Live:
    live = _Live({}, {}, {})
    if not ids:
        return live
    for profile_id, description in _DESCRIPTIONS.rows(connection, ids=ids):
        live.descriptions.setdefault(profile_id, []).append(description)
    for profile_id, kind, value in _IDENTIFIERS.rows(connection, ids=ids):
        live.identifiers.setdefault(profile_id, []).append((kind, value))
    for event in (LiveEvent(*row) for row in _ENGAGEMENT.rows(connection, ids=ids)):
        live.engagement.setdefault(event.profile_id, []).append(event)
    return live
