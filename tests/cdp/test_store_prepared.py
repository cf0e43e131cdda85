"""Prepared statements return the rows written through SQLAlchemy, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from cdp.errors import StatementFailed
from cdp.people.tables import live_engagement
from cdp.store import Store
from cdp.store.prepared import Prepared, among
from tests.cdp.store_urls import on_sqlite

NOW = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)
COLUMNS = tuple(column.name for column in live_engagement.columns)
EVENTS = Prepared(
    sa.select(*(live_engagement.c[name] for name in COLUMNS))
    .where(among(live_engagement.c.event_id, "ids"), live_engagement.c.occurred_at > sa.bindparam("since"))
    .order_by(live_engagement.c.event_id)
    .limit(2)
)
ADD = Prepared(live_engagement.insert())


def event(event_id: str, at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    values = (event_id, "prf_ann", "email", "clicked", None, at, False, 7, None, None)
    return dict(zip(COLUMNS, values, strict=True)) | changes


ROWS = [
    event("a", is_machine=True),
    event('b"\\', message_ref="Zoë 🦊"),
    event("c"),
    event("d", NOW - timedelta(days=9)),
]


@pytest.mark.parametrize("is_prepared", [True, False])
def test_rows_come_out_as_they_went_in(store: Store, is_prepared: bool) -> None:
    with store.write() as connection:
        if is_prepared:
            ADD.write(connection, ROWS)
        else:
            connection.execute(live_engagement.insert(), ROWS)
    with store.read() as connection:
        found = EVENTS.rows(connection, ids={"a", 'b"\\', "d", "z"}, since=NOW - timedelta(days=1))
        by_sqlalchemy = connection.execute(sa.select(live_engagement).order_by(live_engagement.c.event_id)).all()
    assert [dict(zip(COLUMNS, row, strict=True)) for row in found] == ROWS[:2]
    assert [row._asdict() for row in by_sqlalchemy] == ROWS
    assert found[0][5].tzinfo is UTC


def test_times_of_other_zones_are_the_same_moment(store: Store) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-7)))
    with store.write() as connection:
        ADD.write(connection, [event("a", elsewhere)])
        assert EVENTS.rows(connection, ids=["a"], since=elsewhere - timedelta(seconds=1))[0][5] == NOW
        assert not EVENTS.rows(connection, ids=["a"], since=elsewhere)


def test_among_no_values_matches_nothing(store: Store) -> None:
    with store.read() as connection:
        assert EVENTS.rows(connection, ids=[], since=NOW) == []


@on_sqlite  # PostgreSQL reads what is committed, statement by statement
def test_all_reads_of_a_block_see_one_state(store: Store) -> None:
    with store.read() as reading:
        assert EVENTS.rows(reading, ids=["a"], since=NOW - timedelta(days=1)) == []
        with store.write() as writing:
            ADD.write(writing, [event("a")])
        assert EVENTS.rows(reading, ids=["a"], since=NOW - timedelta(days=1)) == []


def test_a_failed_statement_is_rolled_back_and_reported_without_values(store: Store) -> None:
    with pytest.raises(StatementFailed, match="constraint") as failed, store.write() as connection:
        ADD.write(connection, [event("a", channel="ann@example.com"), event("a")])
    assert "ann@" not in str(failed.value)
    with store.read() as connection:
        assert EVENTS.rows(connection, ids=["a"], since=NOW - timedelta(days=1)) == []
