"""`cdp run` over simulated logs, end to end, against the floor of only parsing the same files (see `floor`).

Both run in processes of their own, one after the other, on the same files; peak memory is the process's largest
resident set. The limits are those of 100,000 people on two cores, so they are judged from that number on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.report import Limit, Report
from tests.e2e.command import CDP, ROOT, environment

JUDGED_PEOPLE = 100_000
MAX_SECONDS = 180
MAX_GIGABYTES = 6


@dataclass(frozen=True)
class Cost:
    """What a process took, and what it printed."""

    seconds: float
    peak_gigabytes: float
    output: str


def measure(options: argparse.Namespace) -> Report:
    """Simulate `options.people`, then measure the floor and the run."""
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as name:
        folder, home = Path(name) / "logs", Path(name) / "var"
        spend([CDP, "simulate", "--people", str(options.people), "--seed", "11", "--out", folder], home)
        floor = spend([sys.executable, "-m", "tests.benchmarks.floor", folder, Path(name) / "floor.duckdb"], home)
        ours = spend([CDP, "run", folder, "--json"], home)
    run = json.loads(ours.output)
    stages = [[stage["name"], stage["rows"], stage["seconds"], None, None] for stage in run["stages"]]
    return Report(
        f"cdp run over the logs of {options.people:,} people ({run['landed']:,} lines) on {os.cpu_count()} cores",
        ("stage", "rows", "seconds", "rows_per_second", "peak_gigabytes"),
        [
            *stages,
            ["whole run", run["landed"], *_rates(run["landed"], ours)],
            ["floor: parse only", int(floor.output), *_rates(int(floor.output), floor)],
        ],
        ratio=ours.seconds / floor.seconds,
        ratio_of="seconds of the whole run over those of the floor",
        limits=_limits(ours) if options.people >= JUDGED_PEOPLE else (),
    )


def _rates(rows: int, cost: Cost) -> tuple[float, int, float]:
    return round(cost.seconds, 1), round(rows / cost.seconds), round(cost.peak_gigabytes, 2)


def _limits(cost: Cost) -> Sequence[Limit]:
    return (
        Limit("seconds of the whole run", cost.seconds, MAX_SECONDS),
        Limit("peak gigabytes", cost.peak_gigabytes, MAX_GIGABYTES),
    )


def spend(command: Sequence[str | Path], home: Path) -> Cost:
    """Run a command to its end. Raises CalledProcessError when it fails; its complaint is on standard error."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(home), stdout=printed, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr
        complaint = process.stderr.read()
        # `wait4` tells this child's memory; `getrusage` would tell the largest of all children.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.stderr.write(complaint)
            raise subprocess.CalledProcessError(process.returncode, [str(part) for part in command])
        printed.seek(0)
        return Cost(seconds, usage.ru_maxrss / 2**20, printed.read())
