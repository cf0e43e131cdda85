"""A hundred kills: processes that cause work and do it are killed at random, and replaced, a hundred times.

Each cause commits with the item that it enqueues, each effect with the end of the item: there must be one effect for
each cause. On SQLite, and on PostgreSQL with CDP_TEST_POSTGRES_URL.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import astuple, fields
from pathlib import Path

from tests.benchmarks.report import Limit, Report
from tests.cdp.store_urls import POSTGRES_URL, empty_store_url
from tests.cdp.work.chaos import CAUSERS, WORKERS, Result, survive

KILLS = 100


def measure(_options: argparse.Namespace) -> Report:
    """Kill, finish the work, count."""
    found = {backend: _survive(backend) for backend in ("sqlite", *(["postgresql"] if POSTGRES_URL else []))}
    results = [result for result, _ in found.values()]
    causes = sum(result.causes for result in results)
    lost, doubled, unasked = (sum(getattr(one, name) for one in results) for name in ("lost", "doubled", "unasked"))
    return Report(
        f"{KILLS} kills among {WORKERS} processes that do work and {CAUSERS} that cause it",
        ("store", *(field.name for field in fields(Result)), "seconds"),
        [(backend, *astuple(result), round(seconds, 1)) for backend, (result, seconds) in found.items()],
        ratio=(causes - lost + doubled + unasked) / causes,
        ratio_of="effects over causes",
        limits=[Limit("effects lost", lost, 0), Limit("effects doubled or of no cause", doubled + unasked, 0)],
    )


def _survive(backend: str) -> tuple[Result, float]:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as folder, empty_store_url(backend, Path(folder)) as url:
        return survive(url, KILLS, seed=1), time.monotonic() - begun
