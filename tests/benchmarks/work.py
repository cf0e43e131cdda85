"""The queue: rows enqueued, claimed and completed in batches, against a bare loop that inserts and updates such rows.

Both write to a store that `open_store` made, with the same table, indexes and pragmas (WAL, synchronous = full), and
commit three times a batch. The queue's own way is `enqueue` and a runner whose handler does nothing. Measured is CPU
time of this process, three times in turn, each time into a new store; the median counts. With CDP_TEST_POSTGRES_URL the
queue's way is also measured on PostgreSQL, whose server's time is not counted: rows per second say more there.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import structlog

from cdp.store import Store, open_store
from cdp.work import Batch, Kind, Runner, Task, enqueue
from tests.benchmarks.report import Limit, Report
from tests.cdp.store_urls import POSTGRES_URL, empty_store_url

BATCHES = 100
ROUNDS = 3
# The last is what a kind has by default.
BATCH_SIZES = (10, 100)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
LEAST_ROWS_PER_CPU_SECOND = 5_000
KIND = "bench"

QUEUE, FLOOR = "queue", "floor: insert and update"
Way = Callable[[Store, int], None]


@dataclass(frozen=True)
class Taken:
    """Seconds a row: of this process's CPU, and by the clock."""

    cpu: float
    wall: float


def measure(_options: argparse.Namespace) -> Report:
    """Take batches of rows through the queue in both ways, for each size of a batch."""
    typical = {(*way, size): taken for size in BATCH_SIZES for way, taken in _compare(size).items()}
    large = BATCH_SIZES[-1]
    ours = typical[QUEUE, "sqlite", large].cpu
    return Report(
        f"{BATCHES} batches of rows enqueued, claimed and completed",
        ("way", "store", "batch", "rows_per_cpu_second", "rows_per_second"),
        [(*way, round(1 / taken.cpu), round(1 / taken.wall)) for way, taken in typical.items()],
        ratio=ours / typical[FLOOR, "sqlite", large].cpu,
        ratio_of=f"CPU seconds of the queue over those of the floor, in batches of {large}",
        limits=[Limit(f"CPU µs a row on SQLite, in batches of {large}", ours * 1e6, 1e6 / LEAST_ROWS_PER_CPU_SECOND)],
    )


def _compare(size: int) -> dict[tuple[str, str], Taken]:
    ways: dict[tuple[str, str], Way] = {
        (QUEUE, "sqlite"): through_queue,
        (FLOOR, "sqlite"): bare_loop,
    }
    if POSTGRES_URL:
        ways[QUEUE, "postgresql"] = through_queue
    found: dict[tuple[str, str], list[Taken]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for (name, backend), way in ways.items():
            found[name, backend].append(_timed(way, backend, size))
    return {
        name: Taken(median(one.cpu for one in taken), median(one.wall for one in taken))
        for name, taken in found.items()
    }


def _timed(way: Way, backend: str, size: int) -> Taken:
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as folder, empty_store_url(backend, Path(folder)) as url:
        store = open_store(url)
        cpu, wall = time.process_time(), time.monotonic()
        way(store, size)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        store.close()
    return Taken(cpu / (BATCHES * size), wall / (BATCHES * size))


def through_queue(store: Store, size: int) -> None:
    """Enqueue in batches, then have a runner do nothing with each item."""
    for keys in _keys(size):
        with store.write() as connection:
            enqueue(connection, KIND, [Task(key) for key in keys], NOW)
    runner = Runner(store, [Kind(KIND, _do_nothing, batch_size=size)], lambda: NOW, structlog.get_logger())
    assert runner.drain()[KIND]["done"] == BATCHES * size


def _do_nothing(_batch: Batch) -> None:
    pass


INSERT = (
    "insert into work_items (kind, key, not_before, attempts, enqueued_at) "
    f"values ('{KIND}', ?, '{NOW:%F %T}.000000', 0, '{NOW:%F %T}.000000')"
)
LEASE = f"update work_items set lease_owner = 'one', lease_until = '{NOW:%F %T}.000000', attempts = 1 where seq = ?"
COMPLETE = (
    "update work_items set lease_owner = null, lease_until = null, outcome = 'done', "
    f"finished_at = '{NOW:%F %T}.000000' where seq = ?"
)


def bare_loop(store: Store, size: int) -> None:
    """The same writes and commits, with the numbers of the rows known beforehand and no question asked."""
    with closing(sqlite3.connect(str(store.engine.url.database), isolation_level=None)) as connection:
        for pragma in ("journal_mode = wal", "synchronous = full", "cache_size = -65536"):
            connection.execute(f"pragma {pragma}")
        for keys in _keys(size):
            _commit(connection, INSERT, [(key,) for key in keys])
        for first in range(1, BATCHES * size, size):
            numbers = [(number,) for number in range(first, first + size)]
            _commit(connection, LEASE, numbers)
            _commit(connection, COMPLETE, numbers)


def _commit(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[str | int]]) -> None:
    connection.execute("begin immediate")
    connection.executemany(statement, rows)
    connection.execute("commit")


def _keys(size: int) -> Iterator[list[str]]:
    for first in range(0, BATCHES * size, size):
        yield [f"msg_{number:026}" for number in range(first, first + size)]
