"""The live layer: data about people from live payloads, kept until a run has processed those payloads.

Rows carry the number of their inbox row; a publish drops the rows whose payloads it has landed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from cdp.people.current import CLAIM_SUFFIX, LiveEvent, LiveIdentifier, LiveMember
from cdp.people.identifiers import Identifier
from cdp.people.tables import live_engagement, live_identifiers, live_members, members
from cdp.store.bulk import frame_of
from cdp.store.prepared import Prepared


def add(
    connection: sa.Connection,
    found_members: Iterable[LiveMember],
    found_identifiers: Iterable[LiveIdentifier],
    events: Iterable[LiveEvent],
) -> None:
    """Add rows. Existing identifiers and events stay as they are; a member that is told again is told later.

    What a claim tells again does not touch what others have told; what they tell takes its place.
    """
    # In the order of the keys, so that concurrent writers cannot deadlock.
    _ADD_MEMBERS.write(connection, [vars(row) for row in sorted(found_members, key=attrgetter("observation_id"))])
    by_value = sorted(found_identifiers, key=attrgetter("type", "value", "profile_id"))
    _ADD_IDENTIFIERS.write(connection, [vars(row) for row in by_value])
    _ADD_EVENTS.write(connection, [vars(row) for row in sorted(events, key=attrgetter("event_id"))])


_ADD_EVENTS = Prepared.insert_new(live_engagement)


def _add_identifiers() -> Prepared:
    row: dict[str, Any] = {column.name: sa.bindparam(column.name) for column in live_identifiers.columns}
    new = postgresql.insert(live_identifiers).inline().values(row)
    return Prepared(
        new.on_conflict_do_update(
            index_elements=[live_identifiers.c.type, live_identifiers.c.value, live_identifiers.c.profile_id],
            set_={name: new.excluded[name] for name in ("is_claim", "inbox_seq")},
            where=sa.and_(live_identifiers.c.is_claim, sa.not_(new.excluded.is_claim)),
        )
    )


_ADD_IDENTIFIERS = _add_identifiers()


def _add_members() -> Prepared:
    # PostgreSQL's INSERT; SQLite has the same ON CONFLICT clauses.
    row: dict[str, Any] = {column.name: sa.bindparam(column.name) for column in live_members.columns}
    new = postgresql.insert(live_members).inline().values(row)
    is_claim, was_claim = (
        column.like(f"%{CLAIM_SUFFIX}") for column in (new.excluded.description, live_members.c.description)
    )
    told = ("description", "inbox_seq", "last_seen_at")
    # Of several tellings in any order, the last one counts.
    is_later = sa.or_(new.excluded.last_seen_at >= live_members.c.last_seen_at, sa.and_(was_claim, sa.not_(is_claim)))
    return Prepared(
        new.on_conflict_do_update(
            index_elements=[live_members.c.observation_id],
            set_={name: new.excluded[name] for name in told},
            where=sa.and_(is_later, sa.or_(was_claim, sa.not_(is_claim))),
        )
    )


_ADD_MEMBERS = _add_members()


@dataclass(frozen=True)
class Holders:
    """The profiles that hold identifiers, as (type, value): published by the last run, and live since, earliest first.

    Who only claims to hold what others have told of somebody is not among them. `junk` are identifiers that the last
    run found not to identify anyone.
    """

    published: Mapping[Identifier, list[str]]
    live: Mapping[Identifier, list[str]]
    junk: Set[Identifier]


def profiles_of(connection: sa.Connection, observation_ids: Collection[str]) -> Mapping[str, str]:
    """The profile of each known observation, published or live; the published one takes precedence."""
    return {row.observation_id: row.profile_id for row in _ask(connection, _PROFILES_OF, observation_ids)}


def holders_of(connection: sa.Connection, identifiers: Collection[Identifier]) -> Holders:
    """The holders of each of the identifiers."""
    places: dict[str, dict[Identifier, list[str]]] = {"published": {}, "live": {}, "junk": {}}
    rows = _ask(connection, _HOLDERS_OF, *zip(*identifiers, strict=True))
    told = {(row.type, row.value) for row in rows if not row.is_claim}
    for row in rows:
        if not row.is_claim or (row.type, row.value) not in told:
            places[row.place].setdefault((row.type, row.value), []).append(row.profile_id)
    return Holders(places["published"], places["live"], frozenset(places["junk"]))


def customers_of(connection: sa.Connection, profile_ids: Collection[str]) -> Mapping[str, set[str]]:
    """The customer ids (`source:id`) that each of the profiles holds."""
    found: dict[str, set[str]] = {}
    for row in _ask(connection, _CUSTOMERS_OF, profile_ids):
        found.setdefault(row.profile_id, set()).add(row.value)
    return found


def issued_ids(connection: sa.Connection, profile_ids: Collection[str]) -> set[str]:
    """Those of the ids that belong, or once belonged, to a profile."""
    return {row.profile_id for row in _ask(connection, _ISSUED, profile_ids)}


def _ask(connection: sa.Connection, statement: str, *columns: Iterable[str]) -> Sequence[sa.Row[Any]]:
    """Run a statement on rows of text, which it reads as the elements of $asked.

    The statement's text does not depend on the number of rows, so it is parsed and planned once.
    """
    rows = list(zip(*columns, strict=True))
    if not rows:
        return []
    asked = "json_each(:asked)" if connection.dialect.name == "sqlite" else "json_array_elements(cast(:asked as json))"
    return connection.execute(_text(statement.replace("$asked", asked)), {"asked": json.dumps(rows)}).all()


@cache
def _text(statement: str) -> sa.TextClause:
    return sa.text(statement)


# `cross join` makes SQLite start from the relation `asked`.
_PROFILES_OF = """
with asked as (select one.value ->> 0 as observation_id from $asked one)
select asked.observation_id, coalesce(members.profile_id, live_members.profile_id) as profile_id
from asked
left join members on members.observation_id = asked.observation_id
left join live_members on live_members.observation_id = asked.observation_id
where coalesce(members.profile_id, live_members.profile_id) is not null
"""

_HOLDERS_OF = """
with asked as (select one.value ->> 0 as type, one.value ->> 1 as value from $asked one)
select 'published' as place, held.type, held.value, held.profile_id, 0 as met, false as is_claim
from asked cross join identifiers held where held.type = asked.type and held.value = asked.value
union all
select 'live', held.type, held.value, held.profile_id, held.inbox_seq, held.is_claim
from asked cross join live_identifiers held where held.type = asked.type and held.value = asked.value
union all
select 'junk', held.type, held.value, '', 0, false
from asked cross join junk_identifiers held where held.type = asked.type and held.value = asked.value
order by 5, 4
"""
_CUSTOMERS_OF = """
with asked as (select one.value ->> 0 as profile_id from $asked one)
select held.profile_id, held.value
from asked cross join identifiers held
where held.profile_id = asked.profile_id and held.type = 'customer_id'
union all
select held.profile_id, held.value
from asked cross join live_identifiers held
where held.profile_id = asked.profile_id and held.type = 'customer_id'
"""

_ISSUED = """
with asked as (select one.value ->> 0 as profile_id from $asked one)
select profile_id from asked
where exists (select 1 from profiles given where given.profile_id = asked.profile_id)
    or exists (select 1 from aliases given where given.old_profile_id = asked.profile_id)
    or exists (select 1 from live_members given where given.profile_id = asked.profile_id)
"""


def known_live_members(connection: sa.Connection) -> pl.DataFrame:
    """observation_id, profile_id of the observations that no run has seen."""
    is_seen = sa.exists().where(members.c.observation_id == live_members.c.observation_id)
    columns = (live_members.c.observation_id, live_members.c.profile_id)
    return frame_of(connection, sa.select(*columns).where(sa.not_(is_seen)).order_by(live_members.c.observation_id))


def drop(connection: sa.Connection, ranges: Sequence[tuple[int, int]]) -> None:
    """Drop the rows that come from inbox rows in `ranges` of numbers: (first, last), both included."""
    if not ranges:
        return
    for table in LIVE_TABLES:
        is_among = table.c.inbox_seq.between(sa.bindparam("first"), sa.bindparam("last"))
        connection.execute(table.delete().where(is_among), [{"first": first, "last": last} for first, last in ranges])


def follow_publish(connection: sa.Connection, run_id: str) -> None:
    """Reconcile the rest of the live layer with what was just published.

    If a run has assigned a live observation to a profile, because a file contained it too, the live member moves to
    that profile and its live profile id becomes an alias of it. Rows of a profile that was merged away move to its
    survivor.
    """
    for statement in (_ALIAS_OVERTAKEN, _MOVE_OVERTAKEN, *_MOVE_TO_SURVIVORS):
        connection.execute(_text(statement), {"run_id": run_id} if ":run_id" in statement else {})


LIVE_TABLES = (live_members, live_identifiers, live_engagement)

_ALIAS_OVERTAKEN = """
insert into aliases (old_profile_id, profile_id, run_id)
select l.profile_id, min(m.profile_id), :run_id
from live_members l
join members m on m.observation_id = l.observation_id and m.profile_id <> l.profile_id
where not exists (select 1 from profiles p where p.profile_id = l.profile_id)
    and not exists (select 1 from aliases a where a.old_profile_id = l.profile_id)
group by l.profile_id
"""

_MOVE_OVERTAKEN = """
update live_members
set profile_id = (select m.profile_id from members m where m.observation_id = live_members.observation_id)
where observation_id in (select observation_id from members)
"""

_MOVE_TO_SURVIVORS = (
    *(
        f"update {table} set profile_id = (select a.profile_id from aliases a "
        f"where a.old_profile_id = {table}.profile_id) where profile_id in (select old_profile_id from aliases)"
        for table in ("live_members", "live_engagement")
    ),
    "insert into live_identifiers (type, value, profile_id, inbox_seq, is_claim) "
    "select i.type, i.value, a.profile_id, min(i.inbox_seq), min(cast(i.is_claim as integer)) = 1 "
    "from live_identifiers i join aliases a on a.old_profile_id = i.profile_id "
    "group by i.type, i.value, a.profile_id on conflict do nothing",
    "delete from live_identifiers where profile_id in (select old_profile_id from aliases)",
)
