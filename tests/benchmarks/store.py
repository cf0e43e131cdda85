"""Publishing documents into the SQLite store, against a bare `executemany` of the same rows.

Both write to a store that `open_store` made, with the same pragmas (WAL, synchronous = full), in one transaction. Each
is done three times, in turn, each time into a new store; the median counts.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import polars as pl

from cdp.people.published import PublishedChanges, apply_publish
from cdp.store import open_store
from pipelines.publish.documents import DOCUMENTS_AT_A_TIME
from tests.benchmarks.people import documents
from tests.benchmarks.report import Report

DOCUMENT_COUNT = 100_000
ROUNDS = 3
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def measure(_options: argparse.Namespace) -> Report:
    """Write DOCUMENT_COUNT documents in both ways."""
    people = documents(DOCUMENT_COUNT)
    ways = {"publish": publish, "floor: executemany": insert_bare}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, write in ways.items():
            seconds[name].append(timed(write, people))
    typical = {name: median(taken) for name, taken in seconds.items()}
    megabytes = people["document"].str.len_bytes().sum() / 2**20
    return Report(
        f"{DOCUMENT_COUNT:,} documents ({megabytes:,.0f} MB) into SQLite",
        ("way", "seconds", "documents_per_second"),
        [[name, round(taken, 2), round(DOCUMENT_COUNT / taken)] for name, taken in typical.items()],
        ratio=typical["publish"] / typical["floor: executemany"],
        ratio_of="seconds of a publish over those of the floor",
    )


def timed(write: Callable[[Path, pl.DataFrame], None], people: pl.DataFrame) -> float:
    """Seconds that `write` takes into a new, empty store."""
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as folder:
        path = Path(folder) / "store.sqlite"
        open_store(f"sqlite:///{path}").close()
        begun = time.monotonic()
        write(path, people)
        return time.monotonic() - begun


def publish(path: Path, people: pl.DataFrame) -> None:
    """As a run publishes: in slices, within one transaction."""
    store = open_store(f"sqlite:///{path}")
    with store.write() as connection:
        for part in people.iter_slices(DOCUMENTS_AT_A_TIME):
            apply_publish(connection, PublishedChanges(NOW, profiles_upsert=part))
    store.close()


def insert_bare(path: Path, people: pl.DataFrame) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = wal", "synchronous = full", "cache_size = -65536"):
            connection.execute(f"pragma {pragma}")
        connection.execute("begin immediate")
        connection.executemany(
            f"insert into profiles (profile_id, document, document_hash, updated_at) values (?, ?, ?, '{NOW:%F %T}')",
            people.select("profile_id", "document", "document_hash").iter_rows(),
        )
        connection.execute("commit")
