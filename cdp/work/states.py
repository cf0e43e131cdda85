"""What a thing to do is, and what becomes of it: pure functions of its row and the clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

State = Literal["waiting", "due", "leased", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Task:
    """A thing to do, for the queue.

    key: what it is about. As long as an item of that kind and key is open, another one is the same.
    payload: what the handler needs to know beyond the key, as text.
    not_before: when it is due; at once where it is not given.
    """

    key: str
    payload: str | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A thing to do that a worker has claimed. attempts: how often it has been claimed, this claim included."""

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
    """The item goes back to the queue. attempts: those that count from here on."""

    at: datetime
    attempts: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The item is given up, and kept with one line that says why; the line holds no personal data."""

    error: str


@dataclass(frozen=True, slots=True)
class Retry:
    """The attempt failed. The next one is at `at`, or when the kind's backoff says; there is none after the last.

    error: one line without personal data.
    """

    error: str
    at: datetime | None = None


Outcome = Done | Again | Failed | Retry
Settled = Done | Again | Failed


@dataclass(frozen=True)
class Backoff:
    """How long an item waits after each failed attempt. After the attempt that follows the last delay it has failed.

    jitter: the share of a delay that chance may take off, so that what failed together does not come back together.
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
    """What a row is at a moment. A lease that has run out is none."""
    if outcome is not None:
        return "done" if outcome == "done" else "failed"
    if lease_until is not None and lease_until > now:
        return "leased"
    return "due" if not_before <= now else "waiting"


def settle(item: Item, outcome: Outcome, backoff: Backoff, now: datetime, chance: float) -> Settled:
    """What an outcome comes to, retries counted."""
    if not isinstance(outcome, Retry):
        return outcome
    delay = backoff.delay(item.attempts, chance)
    if delay is None:
        return Failed(outcome.error)
    return Again(outcome.at or now + delay, item.attempts, outcome.error)


def asked_again(settled: Settled, now: datetime) -> Settled:
    """What becomes of an item that was enqueued again while it was worked on.

    The worker may have read what was there before the new cause, so the item is worked on once more.
    """
    return settled if isinstance(settled, Again) else Again(now)
