"""The states and outcomes of work items: pure functions of the row and the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.work.schedule import next_occurrence
from cdp.work.states import Again, Backoff, Done, Failed, Item, Outcome, Retry, doubling, settle, state_at

NOW = datetime(2026, 11, 20, 12, 30, 15, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SECOND = timedelta(seconds=1)


def item(attempts: int = 1) -> Item:
    return Item(1, "send", "message-1", None, attempts, NOW)


@pytest.mark.parametrize(
    ("not_before", "lease_until", "outcome", "state"),
    [
        (LATER, None, None, "waiting"),
        (NOW, None, None, "due"),
        (NOW, LATER, None, "leased"),
        (NOW - SECOND, NOW, None, "due"),
        (NOW, LATER, "done", "done"),
        (LATER, None, "failed", "failed"),
    ],
)
def test_a_row_has_one_state(
    not_before: datetime, lease_until: datetime | None, outcome: str | None, state: str
) -> None:
    assert state_at(NOW, not_before, lease_until, outcome) == state


@pytest.mark.parametrize("outcome", [Done(), Failed("it is gone"), Again(LATER)])
def test_an_outcome_that_is_final_stays_as_it_is(outcome: Outcome) -> None:
    assert settle(item(), outcome, doubling(SECOND, SECOND, 1), NOW, 0.5) == outcome


def test_retries_wait_longer_and_longer_and_end() -> None:
    backoff = doubling(timedelta(seconds=30), timedelta(hours=1), max_attempts=10)
    settled = [settle(item(attempts), Retry("no answer"), backoff, NOW, 0.0) for attempts in range(1, 11)]
    waits = [to.at - NOW for to in settled[:-1] if isinstance(to, Again)]
    assert [wait.total_seconds() for wait in waits] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert [to.attempts for to in settled[:-1] if isinstance(to, Again)] == list(range(1, 10))
    assert settled[-1] == Failed("no answer")


def test_an_explicit_retry_time_wins() -> None:
    backoff = doubling(SECOND, SECOND, max_attempts=2)
    assert settle(item(), Retry("slow down", LATER), backoff, NOW, 0.5) == Again(LATER, 1, "slow down")
    assert settle(item(2), Retry("slow down", LATER), backoff, NOW, 0.5) == Failed("slow down")


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 5))
def test_randomness_only_shortens_a_delay_by_at_most_the_jitter(chance: float, jitter: float, attempts: int) -> None:
    delays = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 5, 30, 120))
    delay = Backoff(delays, jitter).delay(attempts, chance)
    assert delay is not None
    full = delays[attempts - 1]
    assert full * (1 - jitter) - SECOND <= delay <= full


@given(st.integers(0, 10**10), st.integers(1, 10**6))
def test_the_next_occurrence_is_the_first_one_after_now(milliseconds: int, seconds: int) -> None:
    now = NOW + timedelta(milliseconds=milliseconds)
    every = timedelta(seconds=seconds)
    following = next_occurrence(now, every)
    assert now < following <= now + every
    assert following.timestamp() % seconds == 0
    assert next_occurrence(following - timedelta(microseconds=1), every) == following
    assert next_occurrence(following, every) == following + every
