"""All metrics, 50 segments and all preferences of a million people from ten million events, against a group-by.

The floor is one `create table … as select profile_id, … from … group by profile_id` over the same events, with the same
threads and memory limit, in a process of its own (`segmenting.FLOORS`): a plain aggregate for each family of metrics
(count, first, last, orders and their value, clicks by channel). An event names an observation, so the floor joins the
people as any analyst must. Two more are shown beside it: `count(*)` alone, and one plain filtered
aggregate for every column of profiles.metrics. Each floor is the median of three.

The limit is that of a million people, so it is judged from that number on.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.report import Limit, Report
from tests.benchmarks.run import Cost, spend

JUDGED_PEOPLE = 1_000_000
EVENTS_OF_A_PERSON = 10
MAX_OVER_FLOOR = 3


def measure(options: argparse.Namespace) -> Report:
    """Make the histories of `options.profiles` people, then measure the floors and ours, one after the other."""
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as name:
        home = Path(name) / "var"
        _spend(home, "make", str(options.profiles), str(options.profiles * EVENTS_OF_A_PERSON))
        floor, floor_found = _measured(home, "floors")
        ours, found = _measured(home, "derive")
    seconds, floors = found["seconds"], floor_found["seconds"]
    total, plain = sum(seconds.values()), floors["a plain aggregate a family"]
    return Report(
        f"{options.profiles:,} people, {found['events']:,} events, {found['segments']} segments",
        ("way", "step", "seconds", "times_the_floor", "peak_gigabytes"),
        [
            *_rows("floor", floors, plain, floor),
            *_rows("ours", {**seconds, "all of it": total}, plain, ours),
        ],
        ratio=total / plain,
        ratio_of="seconds of metrics, segments and preferences over those of one plain group by profile_id",
        limits=(Limit("times the floor", total / plain, MAX_OVER_FLOOR),) if options.profiles >= JUDGED_PEOPLE else (),
    )


def _rows(way: str, seconds: dict[str, float], plain: float, cost: Cost) -> list[list[Any]]:
    steps = [[way, step, round(taken, 2), round(taken / plain, 2), None] for step, taken in seconds.items()]
    return [*steps, [way, "whole process", round(cost.seconds, 1), None, round(cost.peak_gigabytes, 2)]]


def _measured(home: Path, way: str) -> tuple[Cost, dict[str, Any]]:
    cost = _spend(home, way)
    return cost, json.loads(cost.output)


def _spend(home: Path, way: str, *more: str) -> Cost:
    return spend([sys.executable, "-m", "tests.benchmarks.segmenting", way, home, *more], home)
