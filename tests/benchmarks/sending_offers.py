"""Three broadcasts with different terms for one thing to the same people, sent by two processes: one price each.

Everybody of `--people` is in two or three of the segments. All that a policy can do with conflicts is tried: `block` on
all people, the other two on a tenth; each also on a few of whom half are found to be the other half meanwhile. On
SQLite, and on PostgreSQL with CDP_TEST_POSTGRES_URL.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path

from tests.benchmarks.report import Limit, Report
from tests.cdp.store_urls import POSTGRES_URL, empty_store_url
from tests.sending.contending import MUST_BE_NONE, RULES, WORKERS, Contended, contend, contend_while_merging

MERGED, SECONDS_OF_MERGING = 300, 6.0


def measure(options: argparse.Namespace) -> Report:
    """Publish the people, send the broadcasts, look what everybody got."""
    backends = ("sqlite", *(["postgresql"] if POSTGRES_URL else []))
    rows, found, wrong_pairs = [], [], 0
    for backend in backends:
        for rule in RULES:
            people = options.people if rule == "block" else options.people // 10
            begun = time.monotonic()
            with _place(backend) as (folder, url):
                found.append(contend(folder, url, rule, people, seed=1))
            rows.append((backend, rule, *astuple(found[-1]), round(time.monotonic() - begun, 1)))
            with _place(backend) as (folder, url):
                wrong_pairs += contend_while_merging(folder, url, rule, MERGED, seed=1, seconds=SECONDS_OF_MERGING)
    wrong = {name: sum(getattr(one, name) for one in found) for name in MUST_BE_NONE}
    people = sum(one.people for one in found)
    return Report(
        f"three broadcasts to {options.people:,} people by {WORKERS} processes",
        ("store", "on_conflict", *(field.name for field in fields(Contended)), "seconds"),
        rows,
        ratio=(people - wrong["received"]) / people,
        ratio_of="people with one price over all",
        limits=[
            *(Limit(name, count, 0) for name, count in wrong.items()),
            Limit("people who became one and got a wrong offer", wrong_pairs, 0),
        ],
    )


@contextmanager
def _place(backend: str) -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as folder, empty_store_url(backend, Path(folder)) as url:
        yield Path(folder), url
