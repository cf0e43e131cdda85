"""The queue for operators: counts by kind, failed items, and retries of failed items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cdp.work.queue import is_due, is_leased, is_waiting
from cdp.work.tables import is_open, work_items


@dataclass(frozen=True)
class KindStatus:
    """The number of items of a kind by state. oldest_due_at: the time since which an item has been due."""

    kind: str
    waiting: int
    due: int
    leased: int
    failed: int
    oldest_due_at: datetime | None


@dataclass(frozen=True)
class FailedItem:
    """A failed item and its error."""

    kind: str
    key: str
    attempts: int
    error: str
    failed_at: datetime


_is_failed = work_items.c.outcome == "failed"


def status_by_kind(connection: sa.Connection, now: datetime) -> Sequence[KindStatus]:
    """The status of each kind with open or failed items, by name."""
    counted = (
        sa.select(
            work_items.c.kind,
            _count(is_waiting),
            _count(is_due),
            _count(is_leased),
            _count(_is_failed),
            sa.func.min(work_items.c.not_before).filter(is_due),
        )
        .where(sa.or_(is_open, _is_failed))
        .group_by(work_items.c.kind)
        .order_by(work_items.c.kind)
    )
    return [KindStatus(*row) for row in connection.execute(counted, {"now": now})]


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count().filter(condition)


def failed_items(connection: sa.Connection, kind: str | None, limit: int) -> Sequence[FailedItem]:
    """The failed items, optionally of one kind, the latest first."""
    columns = (work_items.c[name] for name in ("kind", "key", "attempts", "error", "finished_at"))
    latest = (
        sa.select(*columns).where(_of_kind(kind)).order_by(work_items.c.finished_at.desc(), work_items.c.seq.desc())
    )
    return [FailedItem(*row) for row in connection.execute(latest.limit(limit))]


def retry_failed(connection: sa.Connection, kind: str | None, now: datetime) -> int:
    """Put failed items back into the queue with all their attempts; return the number of items.

    Of several items with one key, only the last is retried, and none if the key is open again.
    """
    others = work_items.alias("others")
    is_key_open = sa.exists(
        sa.select(others.c.seq).where(
            others.c.kind == work_items.c.kind, others.c.key == work_items.c.key, others.c.finished_at.is_(None)
        )
    )
    last = (
        sa.select(sa.func.max(work_items.c.seq))
        .where(_of_kind(kind), sa.not_(is_key_open))
        .group_by(work_items.c.kind, work_items.c.key)
    )
    anew = {"outcome": None, "finished_at": None, "error": None, "attempts": 0, "not_before": now}
    return connection.execute(work_items.update().where(work_items.c.seq.in_(last)).values(anew)).rowcount


def _of_kind(kind: str | None) -> sa.ColumnElement[bool]:
    return _is_failed if kind is None else sa.and_(_is_failed, work_items.c.kind == kind)
