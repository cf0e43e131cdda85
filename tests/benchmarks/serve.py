"""A profile read by its id, token checked, against the bare /healthz route of the same server process.

One worker of `cdp serve` over 10,000 profiles; this process asks over 8 connections that stay open, for three seconds
a route, three times in turn. Both cores are busy: one serves, one asks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from cdp.store import open_store
from cdp.store.profiles import PublishedChanges, apply_publish
from cdp.store.runs import record_run
from tests.benchmarks.people import documents, profile_id
from tests.benchmarks.report import Report
from tests.e2e.command import cdp, serving, token

PROFILES = 10_000
CONNECTIONS = 8
SECONDS = 3.0
ROUNDS = 3
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def measure(_options: argparse.Namespace) -> Report:
    """Serve, and ask both routes in turn."""
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as name:
        home = Path(name)
        fill(home)
        client = json.loads(cdp(home, "clients", "add", "bench", "--scope", "profiles:read", "--json").stdout)
        with serving(home) as url:
            bearer = token(url, client)
            ids = [profile_id(number * 7919 % PROFILES) for number in range(PROFILES)]
            routes = {
                "GET /v1/profiles/{id}": [request(url, f"/v1/profiles/{one}", bearer) for one in ids],
                "floor: GET /healthz": [request(url, "/healthz", bearer)],
            }
            taken: dict[str, list[list[float]]] = {route: [] for route in routes}
            for _ in range(ROUNDS):
                for route, requests in routes.items():
                    taken[route].append(asyncio.run(ask(url, requests)))
    rates = {route: median(len(latencies) / SECONDS for latencies in rounds) for route, rounds in taken.items()}
    profile, floor = rates.values()
    return Report(
        f"one worker, {CONNECTIONS} connections, {PROFILES:,} profiles",
        ("route", "requests_per_second", "p50_ms", "p99_ms"),
        [[route, round(rates[route]), *_latency(rounds)] for route, rounds in taken.items()],
        ratio=floor / profile,
        ratio_of="requests a second of the floor over those of a profile",
    )


def fill(home: Path) -> None:
    """A store with PROFILES documents, as a run leaves it."""
    store = open_store(f"sqlite:///{home / 'store.sqlite'}")
    with store.write() as connection:
        apply_publish(connection, PublishedChanges(NOW, profiles_upsert=documents(PROFILES)))
        record_run(connection, "run_bench", NOW, NOW, published=True, report={})
    store.close()


def request(url: str, path: str, bearer: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode()


async def ask(url: str, requests: list[bytes]) -> list[float]:
    """Seconds that each answer took, of all that came within SECONDS."""
    turns = cycle(requests)
    deadline = time.monotonic() + SECONDS
    found = await asyncio.gather(*(_ask_on_one_connection(url, turns, deadline) for _ in range(CONNECTIONS)))
    return [latency for latencies in found for latency in latencies]


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


def _latency(rounds: list[list[float]]) -> tuple[float, float]:
    percentiles = quantiles([latency * 1_000 for latencies in rounds for latency in latencies], n=100)
    return round(percentiles[49], 2), round(percentiles[98], 2)
