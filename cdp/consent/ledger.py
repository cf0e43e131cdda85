"""The consent ledger, suppressions, and the contact points that both refer to.

Addresses are stored in `contact_points` only, so that one can be erased while the decisions about it are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cdp.consent import (
    Break,
    ContactPoint,
    Effects,
    Entry,
    Head,
    Lift,
    Statement,
    Suppression,
    first_break,
    seal,
)
from cdp.consent.tables import consent_ledger, contact_points, ledger_heads, suppressions
from cdp.errors import NotFound
from cdp.ids import random_id
from cdp.people.tables import identifiers, live_identifiers
from cdp.store.bulk import insert, insert_new, polars_type, read_frame
from cdp.store.prepared import Prepared, among

LEDGER = "consents"

_PARAMETERS_AT_ONCE = 5_000
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_ROWS_AT_ONCE = 10_000
# From this many rows on, a bulk load is faster than single inserts.
_MANY = 1_000
_ENTRY_COLUMNS = [consent_ledger.c[column.name] for column in fields(Entry)]
_OUR_HEAD = ledger_heads.c.ledger == LEDGER
# Reasons whose lift is stored even if the suppression is not known yet: START is a deliberate request. Arrivals, of
# which there are millions, only matter where there has been a bounce.
_LASTING_LIFTS = ("stop",)


@dataclass(frozen=True)
class Verdict:
    """The result of checking the ledger: how many entries there should be, the last one's hash, the first break."""

    entry_count: int
    head_hash: str | None
    broken: Break | None


def record(connection: sa.Connection, statements: Sequence[Statement], recorded_at: datetime) -> list[Entry]:
    """Append `statements` to the ledger, within the caller's write transaction; returns an entry for each, in order.

    A statement whose entry_id is already in the ledger (or earlier in `statements`) adds nothing: the existing entry is
    returned. Writers are serialised until they commit, so the chain has no forks.
    """
    if not statements:
        return []
    head = start = _take_head(connection)
    entry_ids = [statement.entry_id or random_id("cns") for statement in statements]
    entries = {entry.entry_id: entry for entry in _recorded(connection, entry_ids)}
    added: list[Entry] = []
    for entry_id, statement in zip(entry_ids, statements, strict=True):
        if entry_id in entries:
            continue
        entries[entry_id] = entry = seal(statement, entry_id=entry_id, recorded_at=recorded_at, after=head)
        head = Head(entry.seq, entry.entry_hash)
        added.append(entry)
    if head != start:
        _insert(connection, added)
        connection.execute(ledger_heads.update().where(_OUR_HEAD).values(vars(head)))
    return [entries[entry_id] for entry_id in entry_ids]


def _insert(connection: sa.Connection, entries: Sequence[Entry]) -> None:
    rows = [vars(entry) for entry in entries]
    if len(rows) < _MANY:
        connection.execute(consent_ledger.insert(), rows)
    else:
        types = {column.name: polars_type(column) for column in _ENTRY_COLUMNS}
        insert(connection, consent_ledger, pl.DataFrame(rows, schema=types))


def _take_head(connection: sa.Connection) -> Head:
    """The last entry; the next caller waits until this transaction ends."""
    row = connection.execute(
        sa.select(ledger_heads.c.seq, ledger_heads.c.entry_hash).where(_OUR_HEAD).with_for_update()
    ).one()
    return Head(row.seq, row.entry_hash)


_ENTRY_COUNT = Prepared(sa.select(ledger_heads.c.seq).where(ledger_heads.c.ledger == sa.bindparam("ledger")))


def entry_count(connection: sa.Connection) -> int:
    """The number of entries so far: it tells cheaply whether anything has been stated since."""
    [(count,)] = _ENTRY_COUNT.rows(connection, ledger=LEDGER)
    return int(count)


def _recorded(connection: sa.Connection, entry_ids: Sequence[str]) -> Iterator[Entry]:
    for some in _parts(list(dict.fromkeys(entry_ids))):
        yield from _entries(connection, consent_ledger.c.entry_id.in_(some))


def recorded_entries(connection: sa.Connection, entry_ids: Sequence[str]) -> list[Entry]:
    """The entries with these ids, in order."""
    found = {entry.entry_id: entry for entry in _recorded(connection, entry_ids)}
    return [found[entry_id] for entry_id in entry_ids]


def known_entry_ids(connection: sa.Connection) -> pl.DataFrame:
    """seq, entry_id of every entry."""
    return read_frame(connection, consent_ledger, "seq", "entry_id")


def known_suppressing_ids(connection: sa.Connection) -> pl.DataFrame:
    """contact_point_id, entry_id of every suppression."""
    return read_frame(connection, suppressions, "contact_point_id", "entry_id")


# Prepared once: every decision runs these.
_BY_THEN = among(consent_ledger.c.contact_point_id, "ids"), consent_ledger.c.occurred_at <= sa.bindparam("as_of")
_ENTRIES_OF = Prepared(sa.select(*_ENTRY_COLUMNS).where(*_BY_THEN).order_by(consent_ledger.c.seq))
_PLAIN_ENTRIES_OF = Prepared(
    sa.select(*(sa.null() if column.name == "evidence" else column for column in _ENTRY_COLUMNS))
    .where(*_BY_THEN)
    .order_by(consent_ledger.c.seq)
)
_SUPPRESSIONS_OF = Prepared(
    sa.select(*(suppressions.c[column.name] for column in fields(Suppression)))
    .where(among(suppressions.c.contact_point_id, "ids"))
    .order_by(*suppressions.primary_key)
)


def entries_of(
    connection: sa.Connection, contact_point_ids: Collection[str], as_of: datetime | None = None
) -> list[Entry]:
    """The entries of contact points in the order recorded; with `as_of`, only those that had occurred by then."""
    found = _ENTRIES_OF.rows(connection, ids=contact_point_ids, as_of=as_of or _END_OF_TIME)
    return [Entry(*row) for row in found]


def plain_entries_of(connection: sa.Connection, contact_point_ids: Collection[str]) -> list[Entry]:
    """As `entries_of`, without the evidence, which decisions do not need."""
    found = _PLAIN_ENTRIES_OF.rows(connection, ids=contact_point_ids, as_of=_END_OF_TIME)
    return [Entry(*row) for row in found]


def _entries(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> list[Entry]:
    chosen = sa.select(*_ENTRY_COLUMNS).where(wanted).order_by(consent_ledger.c.seq)
    return [Entry(*row) for row in connection.execute(chosen)]


def apply_effects(connection: sa.Connection, effects: Effects, recorded_at: datetime) -> None:
    """Record what events state, suppress and lift (`cdp.consent.effects_of`). Idempotent."""
    keep_contact_points(connection, effects.contact_points)
    lifts = _of_consequence(connection, effects)
    if effects.statements or effects.suppressions or lifts:
        # Serialised: two writers that touch the same rows in different orders would deadlock.
        _take_head(connection)
    record(connection, effects.statements, recorded_at)
    suppress(connection, effects.suppressions, recorded_at)
    lift(connection, lifts, recorded_at)


def _of_consequence(connection: sa.Connection, effects: Effects) -> list[Lift]:
    """The lifts, without arrivals at addresses that never bounced: nearly all are such arrivals."""
    asked = [each.contact_point_id for each in effects.lifts if each.reason not in _LASTING_LIFTS]
    there = [*suppressions_of(connection, asked), *effects.suppressions]
    known = {(each.contact_point_id, each.channel, each.reason) for each in there}
    return [
        each
        for each in effects.lifts
        if each.reason in _LASTING_LIFTS or (each.contact_point_id, each.channel, each.reason) in known
    ]


def suppress(connection: sa.Connection, found: Sequence[Suppression], recorded_at: datetime) -> None:
    """Suppress contact points on channels; the latest occurrence of each reason is kept."""
    rows = [vars(each) | {"recorded_at": recorded_at} for each in found]
    names = ("source", "entry_id", "occurred_at", "recorded_at")
    _keep_latest(connection, suppressions.c.occurred_at, names, rows)


_LIFT = (
    suppressions.update()
    .where(
        suppressions.c.contact_point_id == sa.bindparam("point"),
        suppressions.c.channel == sa.bindparam("on_channel"),
        suppressions.c.reason == sa.bindparam("for_reason"),
        sa.or_(suppressions.c.lifted_at.is_(None), suppressions.c.lifted_at < sa.bindparam("at")),
    )
    .values(lifted_at=sa.bindparam("at"), lifted_by=sa.bindparam("by"), recorded_at=sa.bindparam("now"))
)


def lift(connection: sa.Connection, lifts: Sequence[Lift], recorded_at: datetime) -> None:
    """End suppressions as of `lifted_at`. A STOP that arrives after the START that followed it stays lifted."""
    lasting = [
        {**vars(each), "source": each.lifted_by, "recorded_at": recorded_at}
        for each in lifts
        if each.reason in _LASTING_LIFTS
    ]
    _keep_latest(connection, suppressions.c.lifted_at, ("lifted_at", "lifted_by", "recorded_at"), lasting)
    others = [
        {"point": each.contact_point_id, "on_channel": each.channel, "for_reason": each.reason}
        | {"at": each.lifted_at, "by": each.lifted_by, "now": recorded_at}
        for each in lifts
        if each.reason not in _LASTING_LIFTS
    ]
    if others:
        connection.execute(_LIFT, others)


def lift_by_hand(
    connection: sa.Connection, contact_point_id: str, channel: str, reason: str, *, by: str, now: datetime
) -> None:
    """End a suppression on the authority of a person, `by`.

    Raises:
        NotFound: no such suppression is active.
    """
    asked = (contact_point_id, channel, reason)
    there = suppressions_of(connection, [contact_point_id])
    if not any((each.contact_point_id, each.channel, each.reason) == asked and each.is_active(now) for each in there):
        raise NotFound(f"this contact point has no active suppression on {channel} for {reason}")
    lift(connection, [Lift(*asked, lifted_by=by, lifted_at=now)], now)


def _keep_latest(
    connection: sa.Connection, time: sa.Column[datetime], names: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Insert rows; where the key exists, update the columns `names` if the new row's `time` is later."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(suppressions)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=list(suppressions.primary_key),
            set_={name: insert.excluded[name] for name in names},
            where=sa.or_(time.is_(None), time < insert.excluded[time.name]),
        ),
        rows,
    )


def suppressions_of(connection: sa.Connection, contact_point_ids: Collection[str]) -> list[Suppression]:
    """All suppressions of contact points, including lifted ones: check `is_active`."""
    return [Suppression(*row) for row in _SUPPRESSIONS_OF.rows(connection, ids=contact_point_ids)]


def keep_contact_points(connection: sa.Connection, points: Collection[ContactPoint]) -> None:
    """Store the addresses behind ids. Call it before handing out a contact_point_id, so that it resolves later."""
    rows = [{"contact_point_id": point.id, "type": point.type, "value": point.value} for point in set(points)]
    insert_new(connection, contact_points, sorted(rows, key=lambda row: row["contact_point_id"]))


def find_contact_point(connection: sa.Connection, contact_point_id: str) -> ContactPoint | None:
    """The contact point with this id; None if the id was never issued or its address is erased."""
    row = connection.execute(sa.select(contact_points).where(contact_points.c.contact_point_id == contact_point_id))
    found = row.first()
    return ContactPoint(found.type, found.value) if found else None


def contact_points_of(connection: sa.Connection, profile_id: str) -> list[ContactPoint]:
    """Every contact point of a profile, published or live: `fold` needs the entries of all of them."""
    carried = (
        sa.select(table.c.type, table.c.value).where(table.c.profile_id == profile_id)
        for table in (identifiers, live_identifiers)
    )
    every = sa.union(*carried).order_by("type", "value")
    return [ContactPoint(*row) for row in connection.execute(every)]


def holders_of(connection: sa.Connection, point: ContactPoint) -> list[str]:
    """The profiles, published or live, that have a contact point."""
    carried = (
        sa.select(table.c.profile_id).where(table.c.type == point.type, table.c.value == point.value)
        for table in (identifiers, live_identifiers)
    )
    return list(connection.scalars(sa.union(*carried).order_by("profile_id")))


def verify(connection: sa.Connection, anchor: str | None = None) -> Verdict:
    """Check the whole ledger in batches: every entry's hash, their order, and that none is missing, even at the end.

    A single statement reads the entries and the head, so entries appended meanwhile do not disturb the check. `anchor`
    is the hash of an entry that must be among them: only this reveals a chain rebuilt from the start.
    """
    together = (
        sa.select(ledger_heads.c.seq, ledger_heads.c.entry_hash, *_ENTRY_COLUMNS)
        .select_from(ledger_heads.outerjoin(consent_ledger, sa.true()))
        .where(_OUR_HEAD)
        .order_by(consent_ledger.c.seq)
    )
    rows: Iterator[Any] = iter(connection.execute(together, execution_options={"yield_per": _ROWS_AT_ONCE}))
    first = next(rows, None)
    if first is None:
        return Verdict(0, None, Break(1, "the head of the ledger was removed"))
    head = Head(first[0], first[1])
    # The outer join returns one row without an entry if the ledger is empty.
    entries = (Entry(*row[2:]) for row in chain([first], rows) if row[2] is not None)
    return Verdict(head.seq, head.entry_hash, first_break(entries, head, anchor))


def _parts(values: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(values)
    while part := list(islice(rest, _PARAMETERS_AT_ONCE)):
        yield part
