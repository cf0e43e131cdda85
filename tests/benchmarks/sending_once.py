"""A hundred posts of one `Idempotency-Key` at once, over two servers that send meanwhile: one message, one answer.

Of one message, of one that a gate refuses, and (20 posts) of a batch that takes several transactions. On SQLite, and on
PostgreSQL with CDP_TEST_POSTGRES_URL.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import astuple, fields
from pathlib import Path

from tests.benchmarks.report import Limit, Report
from tests.cdp.store_urls import POSTGRES_URL, empty_store_url
from tests.e2e.sending_once import REQUESTS, Outcome, repeat

ROUNDS = 20
MUST_BE_NONE = {
    "messages": "messages more or fewer than asked for",
    "decisions": "decisions more or fewer than asked for",
    "answers": "answers other than the first",
    "sent": "messages taken twice by the provider",
}


def measure(_options: argparse.Namespace) -> Report:
    """Post, wait until all is sent, post again, and count."""
    found = {backend: _repeat(backend) for backend in ("sqlite", *(["postgresql"] if POSTGRES_URL else []))}
    outcomes = [outcome for outcome, _ in found.values()]
    posts = sum(one.posts for one in outcomes)
    wrong = {name: sum(getattr(one, name) for one in outcomes) for name in MUST_BE_NONE}
    return Report(
        f"{ROUNDS} rounds of {len(REQUESTS)} requests, each posted many times at once over two servers",
        ("store", *(field.name for field in fields(Outcome)), "seconds"),
        [(backend, *astuple(outcome), round(seconds, 1)) for backend, (outcome, seconds) in found.items()],
        ratio=(posts - wrong["answers"]) / posts,
        ratio_of="answers equal to the first over posts",
        limits=[Limit(what, wrong[name], 0) for name, what in MUST_BE_NONE.items()],
    )


def _repeat(backend: str) -> tuple[Outcome, float]:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as folder, empty_store_url(backend, Path(folder)) as url:
        return repeat(Path(folder) / "var", url, ROUNDS), time.monotonic() - begun
