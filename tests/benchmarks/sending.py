"""Messages: accepted in batches against the bare inserts of the same rows, and handed over.

One sender does nothing, and one takes 50 ms a message. Claims are made out of few and out of a million that wait.

On SQLite, with CPU time of this process for what computes and time by the clock for what waits.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from cdp.decision.tables import decisions
from cdp.delivery import Accepted, Dispatch, Outcome, Setting, Settings
from cdp.sending.accepting import SEND
from cdp.sending.messages import Message
from cdp.sending.tables import messages
from cdp.store import Store, open_store
from cdp.store.prepared import Prepared
from cdp.work import Runner, Task, enqueue, queue
from cdp.worker import heap
from tests.benchmarks.report import Limit, Report
from tests.cdp.deciding import policy
from tests.cdp.store_urls import empty_store_url
from tests.sending.world import NOW, Recorder, World

PEOPLE = 2_000
BATCH = 50
WAITING = 1_000_000
CLAIMS = 50


@dataclass
class Slow(Recorder):
    """A provider that takes 50 ms a message."""

    def send(self, dispatch: Dispatch) -> Outcome:
        time.sleep(0.05)
        return Accepted(dispatch.message_id)


@dataclass
class Nothing(Recorder):
    """A provider that does nothing."""

    channels: tuple[str, ...] = ("sms",)
    settings: tuple[Setting, ...] = ()

    @contextmanager
    def opened(self, _settings: Settings) -> Iterator[Nothing]:
        yield self

    def send(self, dispatch: Dispatch) -> Outcome:
        return Accepted(dispatch.message_id)


def measure(_options: argparse.Namespace) -> Report:
    """Accept, send, claim."""
    accepting, floor = _accepting()
    nothing, slow = _dispatching(Nothing()), _dispatching(Slow(channels=("sms",)))
    few, many = _claiming(1_000), _claiming(WAITING)
    return Report(
        f"messages to {PEOPLE:,} people",
        ("what", "messages a CPU second", "messages a second"),
        [
            ("accepted in batches", round(1 / accepting.cpu), round(1 / accepting.wall)),
            ("floor: the bare inserts", round(1 / floor.cpu), round(1 / floor.wall)),
            ("handed over to nothing", round(1 / nothing.cpu), round(1 / nothing.wall)),
            ("handed over to a provider of 50 ms", round(1 / slow.cpu), round(1 / slow.wall)),
            ("claimed of 1,000 that wait", round(1 / few.cpu), round(1 / few.wall)),
            (f"claimed of {WAITING:,} that wait", round(1 / many.cpu), round(1 / many.wall)),
        ],
        ratio=accepting.cpu / floor.cpu,
        ratio_of="CPU seconds of accepting over those of the bare inserts",
        limits=[
            Limit("CPU µs to accept a message", accepting.cpu * 1e6, 1e6 / 3_000),
            Limit("CPU µs to hand one over to nothing", nothing.cpu * 1e6, 1e6 / 2_000),
            Limit("ms between messages by a provider of 50 ms", slow.wall * 1e3, 1e3 / 500),
            Limit("time of a claim of many over that of few", many.wall / few.wall, 2),
        ],
    )


@dataclass(frozen=True)
class Taken:
    """Seconds a message: of this process's CPU, and by the clock."""

    cpu: float
    wall: float


def _timed(work: Callable[[], object], count: int) -> Taken:
    cpu, wall = time.process_time(), time.monotonic()
    work()
    return Taken((time.process_time() - cpu) / count, (time.monotonic() - wall) / count)


@contextmanager
def _store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as folder, empty_store_url("sqlite", Path(folder)) as url:
        store = open_store(url)
        yield store
        store.close()


def _world(store: Store, provider: Recorder) -> tuple[World, list[str]]:
    world = World(store, providers={"nothing": provider}, policy=policy(frequency_caps={}, quiet_hours={}))
    ids = world.people(*(f"person{number}" for number in range(PEOPLE)))
    heap.settle()
    return world, ids


def _accept(world: World, ids: Sequence[str]) -> list[Message]:
    found = []
    for begun in range(0, len(ids), BATCH):
        found += world.send_all(*(world.wanted(one, channels=("sms",)) for one in ids[begun : begun + BATCH]))
    return found


def _accepting() -> tuple[Taken, Taken]:
    with _store() as store:
        world, ids = _world(store, Nothing())
        _accept(world, ids[:BATCH])
        accepted: list[Message] = []
        ours = _timed(lambda: accepted.extend(_accept(world, ids[BATCH:])), PEOPLE - BATCH)
        world.close()
        with store.read() as connection:
            logged = [dict(row._mapping) for row in connection.execute(decisions.select())]
    with _store() as store:
        floor = _timed(lambda: _insert(store, accepted, logged), PEOPLE - BATCH)
    return ours, floor


_INSERT_DECISION, _INSERT_MESSAGE = Prepared(decisions.insert()), Prepared(messages.insert())


def _insert(store: Store, accepted: Sequence[Message], logged: Sequence[dict[str, object]]) -> None:
    by_id = {row["decision_id"]: row for row in logged}
    for begun in range(0, len(accepted), BATCH):
        some = accepted[begun : begun + BATCH]
        with store.write() as connection:
            _INSERT_DECISION.write(connection, [by_id[one.decision_id] for one in some])  # type: ignore[misc]
            _INSERT_MESSAGE.write(connection, [vars(one) for one in some])
            enqueue(connection, SEND, [Task(one.message_id, not_before=one.send_at) for one in some], NOW)


def _dispatching(provider: Recorder) -> Taken:
    with _store() as store:
        world, ids = _world(store, provider)
        _accept(world, ids)
        runner = Runner(store, [world.dispatcher.kind()], world.clock, structlog.get_logger())
        taken = _timed(runner.drain, PEOPLE)
        world.close()
    return taken


def _claiming(waiting: int) -> Taken:
    """Claims of batches that are due, beside `waiting` items that are not."""
    with _store() as store:
        later = NOW + timedelta(days=1)
        for begun in range(0, waiting, 10_000):
            with store.write() as connection:
                keys = (f"later-{number}" for number in range(begun, min(begun + 10_000, waiting)))
                enqueue(connection, SEND, [Task(one, not_before=later) for one in keys], NOW)
        with store.write() as connection:
            enqueue(connection, SEND, [Task(f"due-{number}") for number in range(CLAIMS * BATCH)], NOW)
        return _timed(lambda: _claim(store), CLAIMS * BATCH)


def _claim(store: Store) -> None:
    for _ in range(CLAIMS):
        with store.write() as connection:
            assert len(queue.claim(connection, SEND, BATCH, timedelta(minutes=1), NOW).items) == BATCH
