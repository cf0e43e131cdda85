"""The queue as an operator sees it: how much there is of each kind, what has failed, and failed items tried anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cdp.work.queue import is_due, is_leased, is_waiting
from cdp.work.tables import is_open, work_items


@dataclass(frozen=True)
class KindStatus:
    """How many items of a kind are in which state. oldest_due_at: since when the longest due one has been due."""

    kind: str
    waiting: int
    due: int
    leased: int
    failed: int
    oldest_due_at: datetime | None


@dataclass(frozen=True)
class FailedItem:
    """An item that was given up, and why."""

    kind: str
    key: str
    attempts: int
    error: str
    failed_at: datetime


_is_failed = work_items.c.outcome == "failed"


def status_by_kind(connection: sa.Connection, now: datetime) -> Sequence[KindStatus]:
    """The kinds of which anything is open or failed, by name."""
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
    """The items that were given up, the latest first; of one kind, if one is named."""
    columns = (work_items.c[name] for name in ("kind", "key", "attempts", "error", "finished_at"))
    latest = (
        sa.select(*columns).where(_of_kind(kind)).order_by(work_items.c.finished_at.desc(), work_items.c.seq.desc())
    )
    return [FailedItem(*row) for row in connection.execute(latest.limit(limit))]


def retry_failed(connection: sa.Connection, kind: str | None, now: datetime) -> int:
    """Have failed items tried anew, with all of their attempts; returns how many.

    Of several with one key it is the last, and none whose key is open again.
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
