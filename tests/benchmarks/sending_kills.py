"""A thousand kills: processes that accept messages and send them are killed at random, and replaced.

The provider keeps a ledger of its own, loses answers, refuses and is slow. At the end the two ledgers are compared. On
SQLite, and on PostgreSQL with CDP_TEST_POSTGRES_URL.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import astuple, fields
from pathlib import Path

from cdp.sending.dispatching import MOST_AT_ONCE
from tests.benchmarks.report import Limit, Report
from tests.cdp.store_urls import POSTGRES_URL, empty_store_url
from tests.sending.chaos import ACCEPTORS, WORKERS, Result, survive

KILLS = 1_000


def measure(_options: argparse.Namespace) -> Report:
    """Kill, finish the work, compare the ledgers."""
    found = {backend: _survive(backend) for backend in ("sqlite", *(["postgresql"] if POSTGRES_URL else []))}
    results = [result for result, _ in found.values()]
    names = ("twice", "lost", "untold", "unsettled")
    wrong = {name: sum(getattr(one, name) for one in results) for name in names}
    taken = sum(one.taken for one in results)
    by_kills = max((one.in_doubt - one.accepted * 0.03) / one.kills for one in results)
    return Report(
        f"{KILLS} kills among {WORKERS} processes that send and {ACCEPTORS} that accept",
        ("store", *(field.name for field in fields(Result)), "seconds"),
        [(backend, *astuple(result), round(seconds, 1)) for backend, (result, seconds) in found.items()],
        ratio=(taken + wrong["twice"]) / taken,
        ratio_of="messages taken by the provider over messages sent",
        limits=[
            *(Limit(f"messages {name}", count, 0) for name, count in wrong.items()),
            Limit("messages in doubt a kill, besides lost answers", by_kills, MOST_AT_ONCE),
        ],
    )


def _survive(backend: str) -> tuple[Result, float]:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as folder, empty_store_url(backend, Path(folder)) as url:
        return survive(url, KILLS, seed=1), time.monotonic() - begun
