"""Housekeeping of the store: only old rows are deleted, part by part."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from cdp.access.request_log import LoggedRequest, append_requests, recent_requests
from cdp.live.tables import inbox
from cdp.store import Store
from cdp.work import Kind, Tally
from cdp.work.housekeeping import FINISHED_WORK, housekeeping
from cdp.work.tables import work_items
from cdp.worker import HOUSEKEEPING, make_runner

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def days(count: float) -> timedelta:
    return timedelta(days=count)


def keep_house(store: Store, *kinds: Kind, now: datetime = NOW) -> Tally:
    return make_runner(store, lambda: now, structlog.get_logger(), kinds or HOUSEKEEPING).drain()


def column(store: Store, of: sa.Column[Any]) -> list[Any]:
    with store.read() as connection:
        return list(connection.scalars(sa.select(of).order_by(of)))


def test_landed_payloads_are_deleted_after_thirty_days(store: Store) -> None:
    ages = {"waits": (40, None), "old": (30.1, "run_1"), "young": (29.9, "run_1")}
    with store.write() as connection:
        for name, (age, run_id) in ages.items():
            row = {"source": "web", "format": "segment", "message_id": name, "payload": "{}"}
            connection.execute(inbox.insert().values(**row, received_at=NOW - days(age), landed_run_id=run_id))
    keep_house(store)
    assert column(store, inbox.c.message_id) == ["waits", "young"]


def test_the_newest_requests_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdp.access.housekeeping.REQUESTS_KEPT", 3)
    with store.write() as connection:
        for number in range(4):
            append_requests(connection, [LoggedRequest(NOW, str(number), "GET", "/", 200, 1.0, None)] * 2)
    keep_house(store)
    with store.read() as connection:
        assert [request.client_id for request in recent_requests(connection, 9)] == ["3", "3", "2"]


def test_finished_items_are_deleted_after_a_while_and_failed_ones_later(store: Store) -> None:
    ages = {"done": (7.1, "done"), "just done": (6.9, "done"), "given up": (90.1, "failed"), "failed": (89.9, "failed")}
    with store.write() as connection:
        for key, (age, outcome) in {**ages, "waits": (400, None)}.items():
            at = NOW - days(age)
            finished = {"outcome": outcome, "finished_at": at if outcome else None}
            row = {"kind": "send", "key": key, "not_before": at, "attempts": 1}
            connection.execute(work_items.insert().values(**row, **finished, enqueued_at=at))
    keep_house(store, FINISHED_WORK)
    assert set(column(store, work_items.c.key)) == {"just done", "failed", "waits", ""}


def deleting(counts: list[int]) -> Callable[..., int]:
    """Deletes the given numbers of rows, part by part."""
    return lambda _connection, _now, _most: counts.pop(0)


def test_a_full_part_is_followed_by_another_one_at_once(store: Store) -> None:
    counts = [5, 5, 3, 5]
    kind = housekeeping("tidy", deleting(counts), every=days(1), rows_at_once=5)
    assert keep_house(store, kind) == {"tidy": {"again": 2, "done": 1}}
    assert counts == [5]
    assert keep_house(store, kind, now=NOW + days(0.4)) == {}
