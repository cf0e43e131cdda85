"""Work items, their states and outcomes: pure functions of a row and the clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

State = Literal["waiting", "due", "leased", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Task:
    """A task to enqueue.

    key: identifies the task within its kind: at most one item of a kind and key is open.
    payload: further data for the handler, as text.
    not_before: when it is due; by default at once.
    """

    key: str
    payload: str | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A task that a worker has claimed. attempts: the number of claims, including this one."""

    seq: int
    kind: str
    key: str
    payload: str | None
    attempts: int
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """The item is finished."""


@dataclass(frozen=True, slots=True)
class Again:
    """The item goes back to the queue. attempts: the number of attempts counted so far."""

    at: datetime
    attempts: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The item is given up and kept with its error, one line without personal data."""

    error: str


@dataclass(frozen=True, slots=True)
class Retry:
    """The attempt failed. The next one, if any is left, is at `at` or after the kind's backoff.

    error: one line without personal data.
    """

    error: str
    at: datetime | None = None


Outcome = Done | Again | Failed | Retry
Settled = Done | Again | Failed


@dataclass(frozen=True)
class Backoff:
    """The delays after failed attempts. If the attempt after the last delay fails, the item has failed.

    jitter: the share of a delay that is random, so that items that failed together are not retried together.
    """

    delays: tuple[timedelta, ...]
    jitter: float = 1.0

    @property
    def max_attempts(self) -> int:
        return len(self.delays) + 1

    def delay(self, attempts: int, chance: float) -> timedelta | None:
        """The time to wait after that many attempts; None after the last. chance: from 0 to 1."""
        if attempts >= self.max_attempts:
            return None
        return self.delays[attempts - 1] * (1 - self.jitter * chance)


def doubling(first: timedelta, longest: timedelta, max_attempts: int) -> Backoff:
    """A backoff whose delays double from `first` to `longest`, with full jitter."""
    return Backoff(tuple(_doubled(first, longest, max_attempts - 1)))


def _doubled(delay: timedelta, longest: timedelta, count: int) -> Iterator[timedelta]:
    for _ in range(count):
        yield delay
        delay = min(delay * 2, longest)


def state_at(now: datetime, not_before: datetime, lease_until: datetime | None, outcome: str | None) -> State:
    """The state of a row at a time. An expired lease does not count."""
    if outcome is not None:
        return "done" if outcome == "done" else "failed"
    if lease_until is not None and lease_until > now:
        return "leased"
    return "due" if not_before <= now else "waiting"


def settle(item: Item, outcome: Outcome, backoff: Backoff, now: datetime, chance: float) -> Settled:
    """The settled outcome: a retry becomes `Again`, or `Failed` if no attempt is left."""
    if not isinstance(outcome, Retry):
        return outcome
    delay = backoff.delay(item.attempts, chance)
    if delay is None:
        return Failed(outcome.error)
    return Again(outcome.at or now + delay, item.attempts, outcome.error)


def asked_again(settled: Settled, at: datetime | None) -> Settled:
    """The outcome of an item that was enqueued again for `at` while it was being processed.

    The worker may have read outdated data, so the item is processed once more; sooner than the handler put it off to,
    but not sooner than its backoff after a failed attempt.
    """
    if at is None:
        return settled
    if not isinstance(settled, Again):
        return Again(at)
    return settled if settled.error else replace(settled, at=min(at, settled.at))
