"""Runs and steward decisions in the store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cdp.errors import StatementFailed
from cdp.people.stewards import add_steward_decision, known_steward_decisions
from cdp.runs.ledger import last_published_run, recent_runs, record_run
from cdp.store import Store

NOW = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)


def test_runs_are_listed_newest_first(store: Store) -> None:
    in_madrid = NOW.astimezone(timezone(timedelta(hours=2)))
    with store.write() as connection:
        assert recent_runs(connection, 5).height == 0
        assert last_published_run(connection) is None
        record_run(connection, "run_1", NOW, NOW, True, {"profiles": 1})
        record_run(connection, "run_2", in_madrid, NOW + timedelta(hours=1), True, {"name": "Zoë"})
        record_run(connection, "run_3", NOW, NOW + timedelta(hours=2), False, {})
        runs = recent_runs(connection, 2)
        last = last_published_run(connection)
    assert runs.drop("report").rows() == [
        ("run_3", NOW, NOW + timedelta(hours=2), False),
        ("run_2", NOW, NOW + timedelta(hours=1), True),
    ]
    assert json.loads(runs["report"][1]) == {"name": "Zoë"}
    assert last is not None
    assert (last.run_id, last.as_of) == ("run_2", NOW)


def test_recording_a_run_again_replaces_it(store: Store) -> None:
    with store.write() as connection:
        record_run(connection, "run_1", NOW, NOW, False, {})
        record_run(connection, "run_1", NOW, NOW, True, {})
        assert recent_runs(connection, 5)["published"].to_list() == [True]


def test_steward_decisions_are_listed_in_order_of_decision(store: Store) -> None:
    with store.write() as connection:
        later = NOW + timedelta(days=1)
        second = add_steward_decision(connection, "unlink", "o1", "o2", "sam", "twins", later)
        first = add_steward_decision(connection, "link", "o1", "o3", "sam", "moved house", NOW)
        assert known_steward_decisions(connection).rows() == [
            (first, "link", "o1", "o3", "sam", "moved house", NOW),
            (second, "unlink", "o1", "o2", "sam", "twins", later),
        ]


def test_a_steward_can_only_link_or_unlink(store: Store) -> None:
    with pytest.raises(StatementFailed), store.write() as connection:
        add_steward_decision(connection, "merge", "o1", "o2", "sam", "", NOW)  # type: ignore[arg-type]
