"""Housekeeping: recurring work that deletes obsolete rows, in small transactions.

SQLite has one writer at a time, and requests must not wait long for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from cdp.store import Connection
from cdp.store.bulk import delete_first
from cdp.work.handling import Batch, Kind
from cdp.work.tables import work_items

# Takes the time and a maximum number of rows; deletes that many obsolete rows and returns the number deleted.
DeletePart = Callable[[Connection, datetime, int], int]


def housekeeping(name: str, delete: DeletePart, *, every: timedelta, rows_at_once: int) -> Kind:
    """A recurring kind of work that deletes part after part until nothing is left to delete."""

    def handle(batch: Batch) -> None:
        with batch.settling() as settling:
            for item in settling.items:
                if delete(settling.connection, batch.now, rows_at_once) == rows_at_once:
                    settling.again(item, batch.now)

    return Kind(name, handle, every=every)


DAYS_DONE_KEPT = 7
DAYS_FAILED_KEPT = 90


def forget_finished(connection: Connection, now: datetime, most: int) -> int:
    """Delete items that were done or failed long ago; return the number deleted."""
    finished_at = work_items.c.finished_at
    is_old = sa.or_(
        sa.and_(work_items.c.outcome == "done", finished_at < now - timedelta(days=DAYS_DONE_KEPT)),
        sa.and_(work_items.c.outcome == "failed", finished_at < now - timedelta(days=DAYS_FAILED_KEPT)),
    )
    return delete_first(connection, work_items, sa.and_(finished_at.is_not(None), is_old), most)


FINISHED_WORK = housekeeping("work_housekeeping", forget_finished, every=timedelta(hours=1), rows_at_once=2_000)
