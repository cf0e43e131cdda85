"""A thousand stops at random moments around the dispatch of messages, while a server and a worker send.

A STOP by text message, consent withdrawn, a message cancelled, a broadcast paused or cancelled, all over HTTP.

What has no attempt on record when a stop is answered must never be handed over. What has one is on its way: `in_flight`
counts those handed over after the answer, `latest_ms` says how late. On SQLite, and on PostgreSQL with
CDP_TEST_POSTGRES_URL.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import astuple, fields
from pathlib import Path

from tests.benchmarks.report import Limit, Report
from tests.cdp.store_urls import POSTGRES_URL, empty_store_url
from tests.e2e.sending_stops import MUST_BE_NONE, Row, stop_all

STOPS = 1_000


def measure(_options: argparse.Namespace) -> Report:
    """Send, stop, and look what was sent all the same."""
    found = {backend: _stop(backend) for backend in ("sqlite", *(["postgresql"] if POSTGRES_URL else []))}
    rows = [row for of_store, _ in found.values() for row in of_store]
    wrong = {name: sum(getattr(row, name) for row in rows) for name in MUST_BE_NONE}
    stopped = sum(row.in_time for row in rows)
    return Report(
        f"{STOPS} stops; {', '.join(f'{seconds:.0f} s on {backend}' for backend, (_, seconds) in found.items())}",
        ("store", *(field.name for field in fields(Row))),
        [(backend, *astuple(row)) for backend, (of_store, _) in found.items() for row in of_store],
        ratio=stopped / (stopped + wrong["violations"]),
        ratio_of="messages never handed over, over those without an attempt when their stop was answered",
        limits=[Limit(name, count, 0) for name, count in wrong.items()],
    )


def _stop(backend: str) -> tuple[list[Row], float]:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as folder, empty_store_url(backend, Path(folder)) as url:
        return stop_all(Path(folder) / "var", url, STOPS, seed=1), time.monotonic() - begun
