"""Full and incremental resolution of invented observations, against plain Splink over the same (see `resolving`).

The limits are those of a million observations, so they are judged from that number on: with few, what each resolution
costs whatever its size weighs more than the 1% that is new.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.report import Limit, Report
from tests.benchmarks.resolving import NEW_SHARE
from tests.benchmarks.run import Cost, spend

JUDGED_OBSERVATIONS = 1_000_000
MAX_OVER_SPLINK = 1.5
MAX_SHARE_OF_FULL = 0.08
SPLINKS_OWN = ("block", "predict", "cluster")


def measure(options: argparse.Namespace) -> Report:
    """Make `options.observations` and 1% more, then measure both ways, one after the other."""
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as name:
        home = Path(name) / "var"
        _spend(home, "make", str(options.observations))
        splink, splink_found = _measured(home, "splink")
        ours, ours_found = _measured(home, "resolve")
    floor = sum(splink_found["seconds"][step] for step in SPLINKS_OWN)
    full, incremental = ours_found["seconds"]["full"], ours_found["seconds"]["incremental"]
    limits = (
        Limit("full resolution over plain Splink", full / floor, MAX_OVER_SPLINK),
        Limit(f"resolution after {NEW_SHARE:.0%} more over full resolution", incremental / full, MAX_SHARE_OF_FULL),
    )
    return Report(
        f"{options.observations:,} observations on {os.cpu_count()} cores",
        ("way", "step", "seconds", "clusters", "peak_gigabytes"),
        [*_rows("plain Splink", splink, splink_found), *_rows("resolver", ours, ours_found)],
        ratio=full / floor,
        ratio_of="seconds of a full resolution over those of plain Splink's blocking, predict and clustering",
        limits=limits if options.observations >= JUDGED_OBSERVATIONS else (),
    )


def _rows(way: str, cost: Cost, found: dict[str, Any]) -> list[list[Any]]:
    steps = [[way, step, round(seconds, 1), None, None] for step, seconds in found["seconds"].items()]
    return [*steps, [way, "whole process", round(cost.seconds, 1), found["clusters"], round(cost.peak_gigabytes, 2)]]


def _measured(home: Path, way: str) -> tuple[Cost, dict[str, Any]]:
    cost = _spend(home, way)
    return cost, json.loads(cost.output)


def _spend(home: Path, way: str, *more: str) -> Cost:
    return spend([sys.executable, "-m", "tests.benchmarks.resolving", way, home, *more], home)
