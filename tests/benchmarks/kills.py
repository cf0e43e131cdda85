"""Ten kills of a worker of `cdp serve` under load, on SQLite and, with CDP_TEST_POSTGRES_URL, on PostgreSQL.

Two workers serve; Segment's SDK sends events, and senders ask for decisions. Nothing may be lost or doubled.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import astuple, fields
from pathlib import Path

from tests.benchmarks.report import Limit, Report
from tests.cdp.store_urls import POSTGRES_URL, empty_store_url
from tests.e2e.killing import Survived, survive

KILLS = 10
MUST_BE_NONE = ("events_lost", "events_doubled", "undecided", "decided_twice", "given_up")


def measure(_options: argparse.Namespace) -> Report:
    """Kill, and count when everything has been sent."""
    found = {backend: _survive(backend) for backend in ("sqlite", *(["postgresql"] if POSTGRES_URL else []))}
    totals = {name: sum(getattr(one, name) for one in found.values()) for name in MUST_BE_NONE}
    return Report(
        f"{KILLS} kills of one of two workers",
        ("store", *(field.name for field in fields(Survived))),
        [(backend, *astuple(one)) for backend, one in found.items()],
        ratio=1.0 - totals["events_lost"] / sum(one.events for one in found.values()),
        ratio_of="events stored over events sent",
        limits=[Limit(name.replace("_", " "), count, 0) for name, count in totals.items()],
    )


def _survive(backend: str) -> Survived:
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as name, empty_store_url(backend, Path(name)) as url:
        return survive(Path(name) / "var", url, KILLS, seed=1)
