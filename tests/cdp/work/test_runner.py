"""The worker: handlers take effect once, failed items are retried, and other items are not delayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from cdp.errors import ConfigurationError, Unavailable
from cdp.people.tables import members
from cdp.store import Store
from cdp.work import Backoff, Batch, Kind, Runner, Task, enqueue, running
from cdp.work.overview import failed_items, status_by_kind
from cdp.work.runner import LONGEST_SKEW
from cdp.work.tables import work_items
from tests.cdp.store_urls import BACKENDS

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Log:
    """Keeps the log entries."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def warning(self, event: str, **details: Any) -> None:
        self.lines.append({"event": event, **details})

    def debug(self, event: str, **details: Any) -> None:
        pass


@dataclass
class Workshop:
    """A runner with its clock, and queries of the outcomes."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    log: Log = field(default_factory=Log)

    def runner(self, *kinds: Kind) -> Runner:
        return Runner(self.store, kinds, self.clock, self.log, chance=lambda: 0.0)  # type: ignore[arg-type]

    def enqueue(self, kind: str, *keys: str) -> None:
        with self.store.write() as connection:
            enqueue(connection, kind, [Task(key) for key in keys], self.clock.now)

    def status(self) -> dict[str, tuple[int, int, int, int]]:
        """By kind: waiting, due, leased, failed."""
        with self.store.read() as connection:
            found = status_by_kind(connection, self.clock.now)
        return {one.kind: (one.waiting, one.due, one.leased, one.failed) for one in found}

    def failures(self) -> list[tuple[str, str]]:
        with self.store.read() as connection:
            return [(one.key, one.error) for one in failed_items(connection, None, 100)]

    def next_due(self) -> datetime | None:
        with self.store.read() as connection:
            return connection.scalar(sa.select(work_items.c.not_before).where(work_items.c.finished_at.is_(None)))

    def written(self) -> list[str]:
        with self.store.read() as connection:
            return list(connection.scalars(sa.select(members.c.observation_id).order_by(members.c.observation_id)))


@pytest.fixture
def workshop(store: Store) -> Workshop:
    return Workshop(store)


def write_each(batch: Batch) -> None:
    """A handler that leaves a row for each item, in the transaction that completes it."""
    with batch.settling() as settling:
        for item in settling.items:
            row = {"observation_id": item.key, "profile_id": item.kind, "run_id": "run"}
            settling.connection.execute(members.insert(), row)


def refuses(*bad: str, error: Exception | None = None) -> Callable[[Batch], None]:
    """Like `write_each`, but raises for some keys, after others were written."""

    def handle(batch: Batch) -> None:
        with batch.settling() as settling:
            for item in settling.items:
                if item.key in bad:
                    raise error or ValueError("ann@example.com")
                settling.connection.execute(
                    members.insert(), {"observation_id": item.key, "profile_id": "p", "run_id": "r"}
                )

    return handle


def test_a_handler_gets_batches_in_order_and_completes_them_by_returning(workshop: Workshop) -> None:
    seen: list[Sequence[str]] = []
    kind = Kind("send", lambda batch: seen.append([item.key for item in batch.items]), batch_size=2)
    workshop.enqueue("send", "b", "a", "c")
    assert workshop.runner(kind).drain() == {"send": {"done": 3}}
    assert seen == [["a", "b"], ["c"]]
    assert workshop.status() == {}


def test_an_unknown_kind_waits_for_a_worker_that_knows_it(workshop: Workshop) -> None:
    workshop.enqueue("from_a_newer_version", "a")
    assert workshop.runner(Kind("send", write_each)).drain() == {}
    assert workshop.status() == {"from_a_newer_version": (0, 1, 0, 0)}


def test_many_items_of_one_kind_do_not_delay_another(workshop: Workshop) -> None:
    order: list[str] = []
    kinds = [Kind(name, lambda batch: order.append(batch.kind.name), batch_size=1) for name in ("bulk", "urgent")]
    workshop.enqueue("bulk", "a", "b", "c")
    workshop.enqueue("urgent", "a")
    workshop.runner(*kinds).drain()
    assert sorted(order[:2]) == ["bulk", "urgent"]


@pytest.mark.parametrize("store_url", BACKENDS[1:], indirect=True)
def test_a_worker_does_not_wait_for_rows_locked_by_others(workshop: Workshop) -> None:
    """SQLite has one writer at a time."""
    runner = workshop.runner(Kind("send", write_each))
    workshop.enqueue("send", "a")
    with workshop.store.write() as connection:
        enqueue(connection, "send", [Task("a")], NOW)
        assert runner.drain() == {}
    assert runner.drain() == {"send": {"done": 1}}


def test_effects_commit_with_their_item_or_not_at_all(workshop: Workshop) -> None:
    runner = workshop.runner(Kind("send", refuses("b")))
    workshop.enqueue("send", "a", "b", "c")
    runner.drain()
    # All three were written, rolled back, and retried one by one.
    assert workshop.written() == ["a", "c"]
    assert workshop.status() == {"send": (1, 0, 0, 0)}


def test_a_raising_item_is_retried_later_and_finally_fails(workshop: Workshop) -> None:
    kind = Kind("send", refuses("a"), backoff=Backoff((MINUTE, 5 * MINUTE)))
    runner = workshop.runner(kind)
    workshop.enqueue("send", "a")
    for wait in (0, 1, 5):
        workshop.clock.now += wait * MINUTE - timedelta(seconds=1)
        assert runner.drain() == {}
        workshop.clock.now += timedelta(seconds=1)
        assert runner.drain()
    assert workshop.failures() == [("a", "internal error: ValueError")]
    assert [line["attempts"] for line in workshop.log.lines] == [1, 2, 3]
    assert "ann@" not in str(workshop.log.lines)


def test_a_cdp_error_is_recorded_with_its_message(workshop: Workshop) -> None:
    error = ConfigurationError("no key is set", where="CDP_SENDER", hint="Set one")
    workshop.enqueue("send", "a")
    workshop.runner(Kind("send", refuses("a", error=error), backoff=Backoff(()))).drain()
    assert workshop.failures() == [("a", "CDP_SENDER: no key is set. Set one")]


def test_a_handler_settles_each_item_as_it_went(workshop: Workshop) -> None:
    def handle(batch: Batch) -> None:
        for item in batch.items:
            with batch.settling([item]) as settling:
                if item.key == "gone":
                    settling.fail(item, "the address is gone")
                elif item.key == "slow down":
                    settling.retry(item, "too many requests", at=batch.now + 7 * MINUTE)
                elif item.key == "paused":
                    settling.again(item, batch.now + 3 * MINUTE)

    workshop.enqueue("send", "fine", "gone", "paused", "slow down")
    assert workshop.runner(Kind("send", handle)).drain() == {"send": {"done": 1, "failed": 1, "again": 2}}
    assert workshop.failures() == [("gone", "the address is gone")]
    with workshop.store.read() as connection:
        left = connection.execute(sa.select(work_items).where(work_items.c.outcome.is_(None)).order_by("key")).all()
    assert [(row.key, row.attempts, row.not_before, row.error) for row in left] == [
        ("paused", 0, NOW + 3 * MINUTE, None),
        ("slow down", 1, NOW + 7 * MINUTE, "too many requests"),
    ]


def test_items_settled_before_an_error_stay_settled(workshop: Workshop) -> None:
    calls: list[str] = []

    def handle(batch: Batch) -> None:
        for item in batch.items:
            calls.append(item.key)
            if item.key == "b":
                raise ValueError
            with batch.settling([item]):
                pass

    workshop.enqueue("send", "a", "b", "c")
    assert workshop.runner(Kind("send", handle)).drain() == {"send": {"done": 2, "again": 1}}
    assert calls == ["a", "b", "b", "c"]


def test_a_worker_that_lost_its_lease_writes_nothing(workshop: Workshop) -> None:
    """The slow worker is processing the item when its lease expires, and a quick one takes over."""
    quick = workshop.runner(Kind("send", write_each))

    def dawdle(batch: Batch) -> None:
        workshop.clock.now += batch.kind.lease
        assert quick.drain() == {"send": {"done": 2}}
        write_each(batch)

    workshop.enqueue("send", "a", "b")
    assert workshop.runner(Kind("send", dawdle)).drain() == {"send": {"lost": 2}}
    assert workshop.written() == ["a", "b"]
    assert workshop.status() == {}


def test_a_worker_that_renews_keeps_its_items(workshop: Workshop) -> None:
    other = workshop.runner(Kind("send", write_each))

    def work_long(batch: Batch) -> None:
        for _ in range(3):
            workshop.clock.now += batch.kind.lease - timedelta(seconds=1)
            batch.renew()
        assert other.drain() == {}
        write_each(batch)

    workshop.enqueue("send", "a")
    assert workshop.runner(Kind("send", work_long)).drain() == {"send": {"done": 1}}


class Killed(BaseException):
    """Simulates a process that dies during its work."""


def test_an_item_that_kills_every_worker_fails(workshop: Workshop) -> None:
    def die(_batch: Batch) -> None:
        raise Killed

    kind = Kind("send", die, backoff=Backoff((MINUTE, MINUTE)))
    workshop.enqueue("send", "poison")
    for _ in range(kind.backoff.max_attempts):
        with pytest.raises(Killed):
            workshop.runner(kind).drain()
        workshop.clock.now += kind.lease
    assert workshop.runner(kind).drain() == {"send": {"failed": 1}}
    assert workshop.failures() == [("poison", "the worker died or exceeded the lease in each attempt")]


def test_recurring_work_happens_once_per_occurrence_with_any_workers(workshop: Workshop) -> None:
    at: list[datetime] = []
    kind = Kind("tidy", lambda batch: at.append(batch.now), every=timedelta(hours=1))
    for minutes in (0, 10, 25, 30, 31, 100, 500):
        workshop.clock.now = NOW + minutes * MINUTE
        # Workers come and go: each makes sure of the schedule when it starts.
        workshop.runner(kind).drain()
        workshop.runner(kind).drain()
    # At once, then on the hour; missed occurrences become one.
    assert [int((moment - NOW) / MINUTE) for moment in at] == [0, 30, 100, 500]
    assert workshop.status() == {"tidy": (1, 0, 0, 0)}


def test_recurring_work_goes_on_after_it_has_failed(workshop: Workshop) -> None:
    kind = Kind("tidy", refuses(""), backoff=Backoff(()), every=timedelta(hours=1))
    workshop.runner(kind).drain()
    assert workshop.failures() == [("", "internal error: ValueError")]
    assert workshop.status() == {"tidy": (1, 0, 0, 1)}


def test_a_worker_started_during_recurring_work_does_not_repeat_it(workshop: Workshop) -> None:
    count = [0]

    def handle(_batch: Batch) -> None:
        count[0] += 1
        workshop.runner(kind).schedule()

    kind = Kind("tidy", handle, every=timedelta(hours=1))
    workshop.runner(kind).drain()
    assert count == [1]


def test_an_occurrence_from_a_wrong_clock_does_not_end_the_recurrence(workshop: Workshop) -> None:
    at: list[datetime] = []
    kind = Kind("tidy", lambda batch: at.append(batch.now), every=timedelta(hours=1))
    workshop.clock.now = wrong = datetime(2099, 1, 1, tzinfo=UTC)
    workshop.runner(kind).drain()
    for minutes in (0, 29, 30):
        workshop.clock.now = NOW + minutes * MINUTE
        workshop.runner(kind).drain()
    assert at == [wrong, NOW + 30 * MINUTE]


def test_a_lease_from_a_wrong_clock_ends(workshop: Workshop) -> None:
    def die(_batch: Batch) -> None:
        raise Killed

    workshop.enqueue("send", "a")
    workshop.clock.now = datetime(2099, 1, 1, tzinfo=UTC)
    with pytest.raises(Killed):
        workshop.runner(Kind("send", die)).drain()
    workshop.clock.now, runner = NOW, workshop.runner(kind := Kind("send", write_each))
    assert runner.drain() == {}
    workshop.clock.now += kind.lease + LONGEST_SKEW
    assert runner.drain() == {"send": {"done": 1}}


def test_a_runner_notices_that_its_clock_was_wrong(workshop: Workshop) -> None:
    workshop.clock.now = datetime(2099, 1, 1, tzinfo=UTC)
    done = [Event(), Event()]

    def handle(_batch: Batch) -> None:
        done[workshop.clock.now < NOW + timedelta(days=1)].set()

    with running(workshop.runner(Kind("tidy", handle, every=timedelta(hours=1)))):
        assert done[0].wait(10)
        workshop.clock.now = NOW
        while workshop.next_due() != NOW + 30 * MINUTE:
            done[1].wait(0.01)
        workshop.clock.now = NOW + 30 * MINUTE
        assert done[1].wait(10)


def test_an_error_after_everything_is_settled_is_told(workshop: Workshop) -> None:
    def handle(batch: Batch) -> None:
        write_each(batch)
        raise ZeroDivisionError

    workshop.enqueue("send", "a")
    assert workshop.runner(Kind("send", handle)).drain() == {"send": {"done": 1}}
    assert workshop.log.lines == [
        {"event": "error after the last item", "kind": "send", "error": "internal error: ZeroDivisionError"}
    ]


def test_a_handler_that_exits_does_not_end_the_worker(workshop: Workshop) -> None:
    def handle(batch: Batch) -> None:
        if batch.items[0].key == "bad":
            raise SystemExit(1)
        write_each(batch)

    workshop.enqueue("send", "bad", "good")
    assert workshop.runner(Kind("send", handle)).drain() == {"send": {"done": 1, "again": 1}}
    assert [line["error"] for line in workshop.log.lines] == ["internal error: SystemExit"]


def test_a_runner_in_a_thread_processes_new_items_and_stops_after_its_batch(workshop: Workshop) -> None:
    started, go_on = Event(), Event()

    def handle(batch: Batch) -> None:
        started.set()
        assert go_on.wait(10)
        write_each(batch)

    with running(workshop.runner(Kind("send", handle))):
        workshop.enqueue("send", "a")
        assert started.wait(10)
        Thread(target=go_on.set).start()
    assert workshop.written() == ["a"]
    assert workshop.status() == {}


def test_a_store_out_of_reach_interrupts_a_worker_but_does_not_end_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails once, as the worker starts."""
    monkeypatch.setattr("cdp.work.runner.SECONDS_AFTER_AN_ERROR", 0.01)
    done, claimed = Event(), Store.read
    failures = iter([Unavailable("the profile store is not available")])

    def read(store: Store) -> Any:
        for failure in failures:
            raise failure
        return claimed(store)

    monkeypatch.setattr(Store, "read", read)
    with running(workshop.runner(Kind("send", lambda _batch: done.set()))):
        with workshop.store.write() as connection:
            enqueue(connection, "send", [Task("a")], NOW)
        assert done.wait(10)
    assert [line["event"] for line in workshop.log.lines] == ["work interrupted"]
