"""The queue: work items are rows, written in the transaction that causes them and claimed in batches by workers.

An item belongs to the claim that holds its lease. When the lease expires, the item is due again, and the former claim
can no longer settle it. Every `enqueue` is followed by a complete attempt with its payload or a later one, and no later
than it asked for: an item enqueued again while it waits is still one item, with the latest payload and the earliest
time; an item enqueued again while it is being processed is processed once more. Only failed attempts are waited after
(the kind's backoff), whoever asks again.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from cdp.store.prepared import Prepared, Value, among, given
from cdp.work.states import Again, Done, Failed, Item, Settled, Task, asked_again
from cdp.work.tables import is_open, work_items

NOW = sa.bindparam("now", type_=work_items.c.not_before.type)
_is_free = sa.or_(work_items.c.lease_until.is_(None), work_items.c.lease_until <= NOW)
# The states of open items, as in `states.state_at`.
is_leased = sa.and_(is_open, work_items.c.lease_until > NOW)
is_due = sa.and_(is_open, work_items.c.not_before <= NOW, _is_free)
is_waiting = sa.and_(is_open, work_items.c.not_before > NOW, _is_free)
_NO_LEASE = {"lease_owner": sa.null(), "lease_until": sa.null(), "asked_again_for": sa.null()}


@dataclass(frozen=True, slots=True)
class Claim:
    """Items of one kind, in the order in which they fell due, and the token of their lease."""

    token: str
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Held:
    """An item that a claim still holds. asked_again_for: when it is to be processed once more, if enqueued since."""

    item: Item
    asked_again_for: datetime | None


# PostgreSQL's INSERT; SQLite has the same ON CONFLICT clauses.
_NEW = (
    postgresql.insert(work_items)
    .inline()
    .values(
        kind=sa.bindparam("kind"),
        key=sa.bindparam("key"),
        payload=sa.bindparam("payload"),
        not_before=sa.bindparam("not_before"),
        attempts=sa.literal_column("0"),
        enqueued_at=sa.bindparam("enqueued_at"),
    )
)


def _sooner(column: sa.Column[datetime]) -> sa.ColumnElement[bool]:
    return sa.or_(column.is_(None), column > _NEW.excluded.not_before)


_is_unclaimed = work_items.c.lease_owner.is_(None)
_is_brought_forward = sa.and_(
    _is_unclaimed, work_items.c.attempts == sa.literal_column("0"), _sooner(work_items.c.not_before)
)
_ENQUEUE = Prepared(
    _NEW.on_conflict_do_update(
        index_elements=[work_items.c.kind, work_items.c.key],
        index_where=is_open,
        set_={
            "payload": _NEW.excluded.payload,
            "not_before": sa.case((_is_brought_forward, _NEW.excluded.not_before), else_=work_items.c.not_before),
            "asked_again_for": sa.case(
                (_is_unclaimed, sa.null()),
                (_sooner(work_items.c.asked_again_for), _NEW.excluded.not_before),
                else_=work_items.c.asked_again_for,
            ),
        },
    )
)
_ENQUEUE_MISSING = Prepared(_NEW.on_conflict_do_nothing())


def enqueue(connection: sa.Connection, kind: str, tasks: Sequence[Task], now: datetime) -> None:
    """Enqueue tasks in the caller's transaction: they exist if, and only if, it commits.

    A task whose key is already open gives that item its payload, and its time if that is earlier.
    """
    _ENQUEUE.write(connection, _new_rows(kind, tasks, now), kind=kind, enqueued_at=now)


def enqueue_missing(connection: sa.Connection, kind: str, tasks: Sequence[Task], now: datetime) -> None:
    """Like `enqueue`, for work that must not be repeated: a task whose key is open is ignored."""
    _ENQUEUE_MISSING.write(connection, _new_rows(kind, tasks, now), kind=kind, enqueued_at=now)


def _new_rows(kind: str, tasks: Sequence[Task], now: datetime) -> Sequence[Mapping[str, Value]]:
    """The rows in a fixed order, so that transactions that enqueue the same keys do not deadlock."""
    if not kind:
        raise ValueError("a kind has a name")
    return [
        {"key": task.key, "payload": task.payload, "not_before": task.not_before or now}
        for task in sorted(tasks, key=lambda task: task.key)
    ]


_KIND = given("kinds")
_DUE_KINDS = Prepared(
    sa.select(_KIND).where(sa.exists(sa.select(work_items.c.seq).where(work_items.c.kind == _KIND, is_due)))
)


def due_kinds(connection: sa.Connection, kinds: Collection[str], now: datetime) -> Sequence[str]:
    """Those of `kinds` that have due items."""
    return [str(row[0]) for row in _DUE_KINDS.rows(connection, kinds=kinds, now=now)]


_FIRST_DUE = (
    sa.select(work_items.c.seq)
    .where(work_items.c.kind == sa.bindparam("kind"), is_due)
    .order_by(work_items.c.not_before, work_items.c.seq)
    .limit(sa.bindparam("limit"))
    # Rows that another worker is claiming are skipped. SQLite has one writer at a time anyway.
    .with_for_update(skip_locked=True)
    .cte("first_due")
)
_CLAIM = Prepared(
    work_items.update()
    .where(work_items.c.seq.in_(sa.select(_FIRST_DUE.c.seq)))
    .values(
        lease_owner=sa.bindparam("token"),
        lease_until=sa.bindparam("until"),
        attempts=work_items.c.attempts + sa.literal_column("1"),
        asked_again_for=sa.null(),
    )
    .returning(*(work_items.c[name] for name in ("seq", "kind", "key", "payload", "attempts", "not_before")))
)


def claim(connection: sa.Connection, kind: str, limit: int, lease: timedelta, now: datetime) -> Claim:
    """Claim at most `limit` items, those due longest first, until the lease expires."""
    token = secrets.token_hex(8)
    found = _CLAIM.rows(connection, kind=kind, limit=limit, token=token, until=now + lease, now=now)
    items = [Item(*row) for row in found]
    return Claim(token, sorted(items, key=lambda item: (item.not_before, item.seq)))


_IS_HELD = sa.and_(among(work_items.c.seq, "numbers"), work_items.c.lease_owner == sa.bindparam("token"), is_open)
_HOLD = Prepared(sa.select(work_items.c.seq, work_items.c.asked_again_for).where(_IS_HELD).with_for_update())


def hold(connection: sa.Connection, token: str, items: Sequence[Item]) -> Sequence[Held]:
    """Those of `items` that the claim still holds. No other worker can claim them until this transaction ends."""
    found: dict[int, datetime | None] = dict(_HOLD.rows(connection, token=token, numbers=[item.seq for item in items]))
    return [Held(item, found[item.seq]) for item in items if item.seq in found]


_RENEW = Prepared(
    work_items.update().where(_IS_HELD).values(lease_until=sa.bindparam("until")).returning(work_items.c.seq)
)


def renew(
    connection: sa.Connection, token: str, items: Sequence[Item], lease: timedelta, now: datetime
) -> Sequence[Item]:
    """Restart the lease of `items`; return those that the claim still holds."""
    found = _RENEW.rows(connection, token=token, until=now + lease, numbers=[item.seq for item in items])
    held = {row[0] for row in found}
    return [item for item in items if item.seq in held]


_COMPLETE = Prepared(
    work_items.update()
    .where(among(work_items.c.seq, "numbers"))
    .values(finished_at=NOW, outcome=sa.literal_column("'done'"), **_NO_LEASE)
)
_IS_NUMBERED = work_items.c.seq == sa.bindparam("number")
_PUT_BACK = Prepared(
    work_items.update()
    .where(_IS_NUMBERED)
    .values(
        not_before=sa.bindparam("at"),
        attempts=sa.bindparam("attempts_made"),
        error=sa.bindparam("line"),
        **_NO_LEASE,
    )
)
_FAIL = Prepared(
    work_items.update()
    .where(_IS_NUMBERED)
    .values(finished_at=NOW, outcome=sa.literal_column("'failed'"), error=sa.bindparam("line"), **_NO_LEASE)
)


def write_settled(
    connection: sa.Connection, settled: Sequence[tuple[Held, Settled]], now: datetime
) -> Sequence[tuple[Item, Settled]]:
    """Write the outcomes of items in the transaction that holds them; return the outcomes as written."""
    final = [(held.item, asked_again(to, held.asked_again_for)) for held, to in settled]
    done = [item.seq for item, to in final if isinstance(to, Done)]
    _COMPLETE.write(connection, [{"numbers": done}] if done else [], now=now)
    back = [(item.seq, to) for item, to in final if isinstance(to, Again)]
    _PUT_BACK.write(connection, [_row_put_back(seq, to) for seq, to in back])
    failed = [(item.seq, to) for item, to in final if isinstance(to, Failed)]
    _FAIL.write(connection, [{"number": seq, "line": to.error} for seq, to in failed], now=now)
    return final


def _row_put_back(seq: int, to: Again) -> Mapping[str, Value]:
    return {"number": seq, "at": to.at, "attempts_made": to.attempts, "line": to.error}
