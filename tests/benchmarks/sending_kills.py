"""A thousand kills -9 of light processes that accept and send messages, then a hundred of `cdp serve` and `cdp work`.

The provider keeps a ledger of its own, loses answers, refuses and is slow. At the end the two ledgers are compared; of
the servers, with that of the clients, too, who post messages until they are answered. On SQLite, and on PostgreSQL with
CDP_TEST_POSTGRES_URL. `--kills` says how many servers and workers are killed: each takes a second or two to start.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, fields
from pathlib import Path

from cdp.sending.dispatching import MOST_AT_ONCE
from tests.benchmarks.report import Limit, Report
from tests.cdp.store_urls import POSTGRES_URL, empty_store_url
from tests.e2e import sending_killing
from tests.sending import chaos
from tests.sending.ledgers import MUST_BE_NONE, Result

LIGHT_KILLS = 1_000
LIGHT, REAL = "light processes", "cdp serve and cdp work"


def measure(options: argparse.Namespace) -> Report:
    """Kill, finish the work, compare the ledgers."""
    survived: list[sending_killing.Survived] = []

    def light(_home: Path, url: str) -> Result:
        return chaos.survive(url, LIGHT_KILLS, seed=1)

    def real(home: Path, url: str) -> Result:
        survived.append(sending_killing.survive(home, url, options.kills, seed=1))
        return survived[-1].result

    backends = ("sqlite", *(["postgresql"] if POSTGRES_URL else []))
    found = {
        (what, backend): _timed(backend, survive)
        for what, survive in ((LIGHT, light), (REAL, real))
        for backend in backends
    }
    results = [result for result, _ in found.values()]
    wrong = {name: sum(getattr(one, name) for one in results) for name in MUST_BE_NONE}
    misled = {name: sum(getattr(one, name) for one in survived) for name in sending_killing.MUST_BE_NONE}
    taken = sum(one.taken for one in results)
    return Report(
        f"{LIGHT_KILLS} kills of light processes, {options.kills} of servers and workers; {len(survived)} stores",
        ("what", "store", *(field.name for field in fields(Result)), "seconds"),
        [(*place, *astuple(result), round(seconds, 1)) for place, (result, seconds) in found.items()],
        ratio=(taken + wrong["twice"]) / taken,
        ratio_of="messages taken by the provider over messages sent",
        limits=[
            *(Limit(f"messages {name}", count, 0) for name, count in wrong.items()),
            *(Limit(f"{name} by the clients' ledger", count, 0) for name, count in misled.items()),
            Limit(
                "messages that died with a worker, a kill",
                max(one.died_with / one.kills for one in results),
                MOST_AT_ONCE,
            ),
        ],
    )


def _timed(backend: str, survive: Callable[[Path, str], Result]) -> tuple[Result, float]:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as folder, empty_store_url(backend, Path(folder)) as url:
        return survive(Path(folder) / "var", url), time.monotonic() - begun
