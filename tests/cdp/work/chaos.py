"""Processes that enqueue and process work, killed at random, for the tests and the benchmark `chaos`.

A cause is a row that commits with the item that it enqueues; an effect is a row that commits with the end of the item.
At the end there must be one effect for each cause, whoever died in between.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from threading import Event

import sqlalchemy as sa
import structlog

from cdp.store import Store, open_store
from cdp.work import Backoff, Batch, Kind, Runner, Task, enqueue
from cdp.work.queue import claim
from cdp.work.tables import work_items

KIND = "chaos"
WORKERS, CAUSERS = 3, 2
LEASE = timedelta(seconds=1)
# One in this many items raises, and is retried.
RARELY = 20
SECONDS_TO_FINISH = 120

_tables = sa.MetaData()
causes = sa.Table("causes", _tables, sa.Column("key", sa.Text, primary_key=True))
effects = sa.Table("effects", _tables, sa.Column("key", sa.Text))

# Each start is a fork of a process that has imported this module.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Result:
    """The final counts. repeated: items with more than one attempt."""

    kills: int
    causes: int
    lost: int
    doubled: int
    unasked: int
    repeated: int


def survive(url: str, kills: int, seed: int) -> Result:
    """Kill this many of the processes, then finish the work and count."""
    store, chance = open_store(url), random.Random(seed)
    with store.write() as connection:
        _tables.create_all(connection)
    with kept_up([work] * WORKERS + [cause] * CAUSERS, url) as processes:
        for _ in range(kills):
            time.sleep(chance.uniform(0.05, 0.25))
            replace_one(processes, chance.randrange(len(processes)), url)
    _finish(store)
    result = _count(store, kills)
    store.close()
    return result


Role = Callable[[str], None]


@contextmanager
def kept_up(roles: list[Role], url: str) -> Iterator[list[tuple[Role, BaseProcess]]]:
    processes = [(role, _start(role, url)) for role in roles]
    try:
        yield processes
    finally:
        for _, process in processes:
            _kill(process)


def replace_one(processes: list[tuple[Role, BaseProcess]], place: int, url: str) -> None:
    role, process = processes[place]
    _kill(process)
    processes[place] = role, _start(role, url)


def _start(role: Role, url: str) -> BaseProcess:
    process = context.Process(target=role, args=(url,))
    process.start()
    return process


def _kill(process: BaseProcess) -> None:
    # A process that ended by itself has failed, and must not pass for one that was killed.
    assert process.is_alive(), f"a process ended with {process.exitcode}"
    process.kill()
    process.join()


def utc_now() -> datetime:
    return datetime.now(UTC)


def _runner(store: Store) -> Runner:
    backoff = Backoff((timedelta(milliseconds=50),) * 100)
    kind = Kind(KIND, _leave_effects, batch_size=20, lease=LEASE, backoff=backoff)
    # Errors raised here are intended.
    log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger("CRITICAL"))
    return Runner(store, [kind], utc_now, log)


def _leave_effects(batch: Batch) -> None:
    with batch.settling() as settling:
        for item in settling.items:
            settling.connection.execute(effects.insert().values(key=item.key))
            if random.randrange(RARELY) == 0:
                raise ValueError


def work(url: str) -> None:
    """Process due items, forever."""
    _runner(open_store(url)).run(Event())


def cause(url: str) -> None:
    """Write causes and enqueue their work, forever."""
    store = open_store(url)
    for number in itertools.count():
        keys = [f"{os.getpid()}-{time.time_ns()}-{number}-{part}" for part in range(5)]
        with store.write() as connection:
            connection.execute(causes.insert(), [{"key": key} for key in keys])
            enqueue(connection, KIND, [Task(key) for key in keys], utc_now())
        time.sleep(0.01)


def _finish(store: Store) -> None:
    """Process the remaining items. Items of killed processes are due when their leases expire."""
    runner, deadline = _runner(store), time.monotonic() + SECONDS_TO_FINISH
    is_open = sa.select(work_items.c.seq).where(work_items.c.finished_at.is_(None)).limit(1)
    while time.monotonic() < deadline:
        runner.drain()
        with store.read() as connection:
            if connection.scalar(is_open) is None:
                return
        time.sleep(0.1)


def _count(store: Store, kills: int) -> Result:
    with store.read() as connection:
        caused = set(connection.scalars(sa.select(causes.c.key)))
        done = list(connection.scalars(sa.select(effects.c.key)))
        repeated = sa.select(sa.func.count()).where(work_items.c.attempts > 1)
        return Result(
            kills=kills,
            causes=len(caused),
            lost=len(caused - set(done)),
            doubled=len(done) - len(set(done)),
            unasked=len(set(done) - caused),
            repeated=connection.scalar(repeated) or 0,
        )


def claim_until_none(url: str) -> list[str]:
    """The keys that a process claims while others claim, too."""
    store, claimed = open_store(url), list[str]()
    while True:
        with store.write() as connection:
            items = claim(connection, KIND, 7, timedelta(minutes=1), utc_now()).items
        if not items:
            store.close()
            return claimed
        claimed += [item.key for item in items]
