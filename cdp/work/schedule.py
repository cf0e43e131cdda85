"""Recurring work: each occurrence is an item, and the transaction that finishes it enqueues the next one.

Therefore exactly one occurrence is open at any time, with any number of workers and wherever one of them dies.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cdp.store import Connection
from cdp.work.queue import enqueue_missing
from cdp.work.states import Item, Task

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_occurrence(now: datetime, every: timedelta) -> datetime:
    """The first multiple of `every` since 1970 that is after `now`. Missed occurrences collapse into one."""
    return _EPOCH + ((now - _EPOCH) // every + 1) * every


def enqueue_first(connection: Connection, kinds: Sequence[str], now: datetime) -> None:
    """Enqueue an occurrence, due at once, of each recurring kind without an open one."""
    for kind in kinds:
        enqueue_missing(connection, kind, [Task(key="")], now)


def enqueue_next(connection: Connection, finished: Sequence[Item], every: timedelta, now: datetime) -> None:
    """Enqueue the next occurrence of items that were finished in this transaction."""
    for item in finished:
        again = Task(item.key, item.payload, next_occurrence(now, every))
        enqueue_missing(connection, item.kind, [again], now)
