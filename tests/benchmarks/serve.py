"""What senders and SDKs ask most, each against the bare /healthz route of the same server process.

A profile read by its id, token checked, and events tracked in batches of a hundred; `decisions` measures the third.
One worker of `cdp serve` over 10,000 profiles; this process asks over 8 connections that stay open, for three seconds
a route, three times in turn. Both cores are busy: one serves, one asks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cdp.people.published import PublishedChanges, apply_publish
from cdp.runs.ledger import record_run
from cdp.store import open_store
from tests.benchmarks.people import documents, profile_id
from tests.benchmarks.report import Limit, Report
from tests.e2e.command import cdp, serving, token

PROFILES = 10_000
CONNECTIONS = 8
SECONDS = 3.0
ROUNDS = 3
BATCH_SIZE = 100
MAX_RATIO = 2.5
NOW = datetime(2026, 11, 20, tzinfo=UTC)

PROFILE, BATCH, FLOOR = "GET /v1/profiles/{id}", "POST /v1/batch", "floor: GET /healthz"


def measure(_options: argparse.Namespace) -> Report:
    """Serve, and ask all routes in turn."""
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as name:
        home = Path(name)
        fill(home)
        client = added(home, "bench", "--scope", "profiles:read")
        write_key = added(home, "site", "--write-key", "--source", "web")["write_key"]
        with serving(home) as url:
            routes = requests(url, token(url, client), write_key)
            taken: dict[str, list[Answers]] = {route: [] for route in routes}
            for _ in range(ROUNDS):
                for route, turns in routes.items():
                    taken[route].append(asyncio.run(ask(url, turns)))
    rates = {route: median(answers.rate for answers in rounds) for route, rounds in taken.items()}
    ratio = rates[FLOOR] / rates[PROFILE]
    return Report(
        f"one worker, {CONNECTIONS} connections, {PROFILES:,} profiles",
        ("route", "requests_per_second", "of_the_floor", "p50_ms", "p99_ms"),
        [
            *(
                [route, round(rates[route]), round(rates[route] / rates[FLOOR], 2), *latency(taken[route])]
                for route in rates
            ),
            ["events tracked, in batches", round(rates[BATCH] * BATCH_SIZE), None, None, None],
        ],
        ratio=ratio,
        ratio_of="requests a second of the floor over those of a profile",
        limits=(Limit("the floor's rate over that of a profile", ratio, MAX_RATIO),),
    )


def added(home: Path, *arguments: str) -> dict[str, str]:
    """The credentials of a new client."""
    found: dict[str, str] = json.loads(cdp(home, "clients", "add", *arguments, "--json").stdout)
    return found


def fill(home: Path) -> None:
    """A store with PROFILES documents, as a run leaves it."""
    store = open_store(f"sqlite:///{home / 'store.sqlite'}")
    with store.write() as connection:
        apply_publish(connection, PublishedChanges(NOW, profiles_upsert=documents(PROFILES)))
        record_run(connection, "run_bench", NOW, NOW, published=True, report={})
    store.close()


def requests(url: str, bearer: str, write_key: str) -> dict[str, Iterable[bytes]]:
    """What is asked, by route. Each batch of events comes once: the same again would be duplicates."""
    ids = [profile_id(number * 7919 % PROFILES) for number in range(PROFILES)]
    return {
        PROFILE: [request(url, f"/v1/profiles/{one}", bearer) for one in ids],
        BATCH: (request(url, "/v1/batch", write_key, _batch(number)) for number in count()),
        FLOOR: [request(url, "/healthz", bearer)],
    }


def _batch(number: int) -> dict[str, Any]:
    at = NOW.isoformat()
    event = {"type": "track", "event": "Product Viewed", "timestamp": at, "properties": {"product_id": "BAG-120"}}
    people = range(BATCH_SIZE)
    return {
        "sentAt": at,
        "batch": [{**event, "userId": f"usr_{person}", "messageId": f"m-{number}-{person}"} for person in people],
    }


def request(url: str, path: str, bearer: str, body: dict[str, Any] | None = None) -> bytes:
    content = json.dumps(body).encode() if body else b""
    head = (
        f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Authorization: Bearer {bearer}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Answers(NamedTuple):
    """What each of them took, and all of them, in seconds."""

    latencies: Sequence[float]
    seconds: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


async def ask(url: str, requests: Iterable[bytes], connections: int = CONNECTIONS) -> Answers:
    """Ask for SECONDS, and wait for the last answers; `requests` begin again when they end."""
    turns = cycle(requests)
    begun = time.monotonic()
    asking = (_ask_on_one_connection(url, turns, begun + SECONDS) for _ in range(connections))
    latencies = [latency for found in await asyncio.gather(*asking) for latency in found]
    return Answers(latencies, time.monotonic() - begun)


async def _ask_on_one_connection(url: str, turns: Iterator[bytes], deadline: float) -> list[float]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    latencies = []
    while (begun := time.monotonic()) < deadline:
        writer.write(next(turns))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        latencies.append(time.monotonic() - begun)
    writer.close()
    await writer.wait_closed()
    return latencies


def latency(rounds: Iterable[Answers]) -> tuple[float, float]:
    """Milliseconds: the median, and what one in a hundred took longer than."""
    percentiles = quantiles([latency * 1_000 for answers in rounds for latency in answers.latencies], n=100)
    return round(percentiles[49], 2), round(percentiles[98], 2)
