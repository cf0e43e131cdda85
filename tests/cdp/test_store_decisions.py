"""Decisions in the store: concurrent decisions about one person respect the caps together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from cdp.consent import Statement, contact_point_id
from cdp.consent.ledger import record
from cdp.decision import Decision, Question
from cdp.decision.facts import Asked
from cdp.decision.log import decide_and_log, keep_policy, replay
from cdp.errors import Busy
from cdp.ids import sortable_id
from cdp.people.published import PublishedChanges, apply_publish
from cdp.store import Store
from tests.benchmarks.people import documents, profile_id
from tests.cdp.deciding import policy
from tests.cdp.store_urls import on_sqlite

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
ONCE_A_DAY = policy(frequency_caps={"email": {"per_day": 1, "per_week": 7}})
ANN, BOB = profile_id(0), profile_id(1)


@pytest.fixture
def people(store: Store) -> Store:
    points = [contact_point_id("email", f"person{number}@example.com") for number in range(2)]
    with store.write() as connection:
        apply_publish(connection, PublishedChanges(NOW, profiles_upsert=documents(2)))
        granted = [Statement(one, "email", "email", "marketing", "granted", NOW, "test", "person") for one in points]
        record(connection, granted, NOW)
    keep_policy(store, ONCE_A_DAY, NOW)
    return store


def asked(about: str, now: datetime = NOW) -> Asked:
    return Asked(Question(sortable_id("dec", now), "marketing", ("email",)), about, client_id="sender")


def decide(store: Store, *about: str, waits: bool = True) -> list[Decision]:
    with store.write(waits=waits) as connection:
        return decide_and_log(connection, [asked(one) for one in about], ONCE_A_DAY, NOW)


def days_from_now(decisions: list[Decision]) -> list[int]:
    return [(one.send_at - NOW) // timedelta(days=1) if one.send_at else -1 for one in decisions]


def test_questions_asked_together_count_the_earlier_ones(people: Store) -> None:
    decided = decide(people, ANN, BOB, ANN, ANN)
    assert days_from_now(decided) == [0, 0, 1, 2]
    with people.read() as connection:
        for one in decided:
            found = replay(connection, one.decision_id)
            assert found.logged == found.again


def test_concurrent_decisions_about_one_person_are_days_apart(people: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(decide, people, ANN) for _ in range(6)]
        decided = [one for each in asking for one in each.result()]
    assert sorted(days_from_now(decided)) == [0, 1, 2, 3, 4, 5]


@on_sqlite  # PostgreSQL has many writers at a time
def test_a_caller_that_does_not_wait_is_told_that_the_store_is_busy(people: Store) -> None:
    with people.write(), pytest.raises(Busy):
        decide(people, ANN, waits=False)
    assert days_from_now(decide(people, ANN, waits=False)) == [0]
