"""Decisions in the store: those that were drafted apart keep the caps together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cdp.consent import Statement, contact_point_id
from cdp.decision import Decision, Question
from cdp.store import Store
from cdp.store.consents import record
from cdp.store.decisions import draft, keep_policy, log, new_decision_id, replay
from cdp.store.facts import Asked
from cdp.store.profiles import PublishedChanges, apply_publish
from tests.benchmarks.people import documents, profile_id
from tests.cdp.deciding import policy

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


def asked(whom: str, now: datetime = NOW) -> Asked:
    return Asked(Question(new_decision_id(now), "marketing", ("email",)), whom, client_id="sender")


def days_from_now(decisions: list[Decision]) -> list[int]:
    return [(one.send_at - NOW) // timedelta(days=1) if one.send_at else -1 for one in decisions]


def test_drafts_about_one_person_that_are_logged_together_count_each_other(people: Store) -> None:
    drafts = [draft(people, [asked(whom)], ONCE_A_DAY, NOW)[0] for whom in (ANN, BOB, ANN, ANN)]
    assert days_from_now([one.decision for one in drafts]) == [0, 0, 0, 0]
    decided = log(people, drafts, ONCE_A_DAY)
    assert days_from_now(decided) == [0, 0, 1, 2]
    assert [one.decision_id for one in decided] == [one.decision.decision_id for one in drafts]


def test_a_draft_that_another_was_logged_before_is_made_anew(people: Store) -> None:
    late = draft(people, [asked(ANN)], ONCE_A_DAY, NOW)
    log(people, draft(people, [asked(ANN)], ONCE_A_DAY, NOW), ONCE_A_DAY)
    decided = log(people, late, ONCE_A_DAY)
    assert days_from_now(decided) == [1]
    with people.read() as connection:
        found = replay(connection, decided[0].decision_id)
    assert found.logged == found.again


def test_questions_of_one_request_count_the_ones_before(people: Store) -> None:
    drafts = draft(people, [asked(ANN), asked(ANN)], ONCE_A_DAY, NOW)
    assert days_from_now(log(people, drafts, ONCE_A_DAY)) == [0, 1]
