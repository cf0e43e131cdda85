"""Recurring work: each occurrence is an item, and the transaction that finishes it enqueues the next one.

Therefore exactly one occurrence is open at any time, with any number of workers and wherever one of them dies.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cdp.store import Connection
from cdp.work.queue import enqueue_missing
from cdp.work.states import Item, Task
from cdp.work.tables import is_open, work_items

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_occurrence(now: datetime, every: timedelta) -> datetime:
    """The first multiple of `every` since 1970 that is after `now`. Missed occurrences collapse into one."""
    return _EPOCH + ((now - _EPOCH) // every + 1) * every


def enqueue_first(connection: Connection, kind: str, now: datetime) -> None:
    """Enqueue an occurrence of a recurring kind, due at once, if none is open."""
    enqueue_missing(connection, kind, [Task(key="")], now)


def bring_forward(connection: Connection, kind: str, after: datetime, to: datetime) -> None:
    """Bring an occurrence that is due only `after` then forward: the clock of its worker was wrong."""
    far = sa.and_(work_items.c.kind == kind, is_open, work_items.c.not_before > after)
    connection.execute(work_items.update().where(far).values(not_before=to))


def limit_leases(connection: Connection, kind: str, to: datetime) -> None:
    """End leases by `to` that last longer: the clock of their worker was wrong."""
    far = sa.and_(work_items.c.kind == kind, is_open, work_items.c.lease_until > to)
    connection.execute(work_items.update().where(far).values(lease_until=to))


def enqueue_next(connection: Connection, finished: Sequence[Item], every: timedelta, now: datetime) -> None:
    """Enqueue the next occurrence of items that were finished in this transaction."""
    for item in finished:
        again = Task(item.key, item.payload, next_occurrence(now, every))
        enqueue_missing(connection, item.kind, [again], now)
