"""The live layer: what live payloads say of people, until a run has taken them in and says it itself.

Rows carry the number of the inbox row that they come from; a publish drops those of the rows that it has landed.
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

from cdp.people.current import LiveEvent, LiveIdentifier, LiveMember
from cdp.people.identifiers import Identifier
from cdp.people.tables import live_engagement, live_identifiers, live_members
from cdp.store.bulk import insert_new, read_frame


def add(
    connection: sa.Connection,
    found_members: Iterable[LiveMember],
    found_identifiers: Iterable[LiveIdentifier],
    events: Iterable[LiveEvent],
) -> None:
    """Add rows; what is there already stays as it is."""
    _insert(connection, live_members, found_members)
    _insert(connection, live_identifiers, found_identifiers)
    _insert(connection, live_engagement, events)


def _insert(
    connection: sa.Connection, table: sa.Table, rows: Iterable[LiveMember | LiveIdentifier | LiveEvent]
) -> None:
    """In the order of their keys: two writers that meet wait for each other in turn, never both at once."""
    key = attrgetter(*table.primary_key.columns.keys())
    insert_new(connection, table, [vars(row) for row in sorted(rows, key=key)])


@dataclass(frozen=True)
class Holders:
    """Who holds identifiers, as (type, value): by the last run's word, and those met since, first met first. `junk` are
    those that the last run found to be nobody's."""

    published: Mapping[Identifier, list[str]]
    live: Mapping[Identifier, list[str]]
    junk: Set[Identifier]


def profiles_of(connection: sa.Connection, observation_ids: Collection[str]) -> Mapping[str, str]:
    """The profile of each observation that is known, by a run or live; a run's word counts."""
    return {row.observation_id: row.profile_id for row in _ask(connection, _PROFILES_OF, observation_ids)}


def holders_of(connection: sa.Connection, identifiers: Collection[Identifier]) -> Holders:
    """Who holds each of the identifiers."""
    places: dict[str, dict[Identifier, list[str]]] = {"published": {}, "live": {}, "junk": {}}
    for row in _ask(connection, _HOLDERS_OF, *zip(*identifiers, strict=True)):
        places[row.place].setdefault((row.type, row.value), []).append(row.profile_id)
    return Holders(places["published"], places["live"], frozenset(places["junk"]))


def customers_of(connection: sa.Connection, profile_ids: Collection[str]) -> Mapping[str, set[str]]:
    """The customer ids (`source:id`) that each of the profiles holds."""
    found: dict[str, set[str]] = {}
    for row in _ask(connection, _CUSTOMERS_OF, profile_ids):
        found.setdefault(row.profile_id, set()).add(row.value)
    return found


def ids_given_out(connection: sa.Connection, profile_ids: Collection[str]) -> set[str]:
    """Those of the ids that a profile has or had."""
    return {row.profile_id for row in _ask(connection, _GIVEN_OUT, profile_ids)}


def _ask(connection: sa.Connection, statement: str, *columns: Iterable[str]) -> Sequence[sa.Row[Any]]:
    """What a statement finds for rows of text, which it reads as the elements of $asked.

    One text, however many rows there are: it is parsed and planned once.
    """
    rows = list(zip(*columns, strict=True))
    if not rows:
        return []
    asked = "json_each(:asked)" if connection.dialect.name == "sqlite" else "json_array_elements(cast(:asked as json))"
    return connection.execute(_text(statement.replace("$asked", asked)), {"asked": json.dumps(rows)}).all()


@cache
def _text(statement: str) -> sa.TextClause:
    return sa.text(statement)


# `cross join` has SQLite start from what is asked.
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
select 'published' as place, held.type, held.value, held.profile_id, 0 as met
from asked cross join identifiers held where held.type = asked.type and held.value = asked.value
union all
select 'live', held.type, held.value, held.profile_id, held.inbox_seq
from asked cross join live_identifiers held where held.type = asked.type and held.value = asked.value
union all
select 'junk', held.type, held.value, '', 0
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

_GIVEN_OUT = """
with asked as (select one.value ->> 0 as profile_id from $asked one)
select profile_id from asked
where exists (select 1 from profiles given where given.profile_id = asked.profile_id)
    or exists (select 1 from aliases given where given.old_profile_id = asked.profile_id)
    or exists (select 1 from live_members given where given.profile_id = asked.profile_id)
"""


def known_live_members(connection: sa.Connection) -> pl.DataFrame:
    """observation_id, profile_id: where observations were put that no run has seen."""
    return read_frame(connection, live_members, "observation_id", "profile_id")


def drop(connection: sa.Connection, ranges: Sequence[tuple[int, int]]) -> None:
    """Drop what stems from rows of the inbox, given as ranges of their numbers: (first, last)."""
    if not ranges:
        return
    for table in LIVE_TABLES:
        is_among = table.c.inbox_seq.between(sa.bindparam("first"), sa.bindparam("last"))
        connection.execute(table.delete().where(is_among), [{"first": first, "last": last} for first, last in ranges])


def follow_publish(connection: sa.Connection, run_id: str) -> None:
    """Bring what stays in the live layer in line with what was just published.

    A run may have given an observation that came in live meanwhile, in a file, to somebody: it goes there, and an id
    given out for it leads there. What is filed under a profile that was merged away moves to its survivor.
    """
    for statement in (_ALIAS_OVERTAKEN, _DROP_OVERTAKEN, *_MOVE_TO_SURVIVORS):
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

_DROP_OVERTAKEN = "delete from live_members where observation_id in (select observation_id from members)"

_MOVE_TO_SURVIVORS = (
    *(
        f"update {table} set profile_id = (select a.profile_id from aliases a "
        f"where a.old_profile_id = {table}.profile_id) where profile_id in (select old_profile_id from aliases)"
        for table in ("live_members", "live_engagement")
    ),
    "insert into live_identifiers (type, value, profile_id, inbox_seq) "
    "select i.type, i.value, a.profile_id, min(i.inbox_seq) from live_identifiers i "
    "join aliases a on a.old_profile_id = i.profile_id group by i.type, i.value, a.profile_id on conflict do nothing",
    "delete from live_identifiers where profile_id in (select old_profile_id from aliases)",
)
