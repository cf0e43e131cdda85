"""What senders and SDKs ask most, each against the bare /healthz route of the same server process in the same minute.

One worker of `cdp serve` over 150,000 profiles. Over 16 and over 200 connections that stay open: an event tracked a
request, a decision, a profile, a profile with all its parts. Then decisions while four webhooks of 24,000 events come
in, and the memory that is left. Both cores are busy: one serves, one asks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from api.people.routes import PARTS
from cdp.consent import Statement, contact_point_id
from cdp.consent.ledger import record
from cdp.people.published import PublishedChanges, apply_publish
from cdp.runs.ledger import record_run
from cdp.store import open_store
from tests import webhook_senders as senders
from tests.benchmarks.people import documents, profile_id
from tests.benchmarks.report import Limit, Report
from tests.e2e.command import cdp, service, token

PROFILES = 150_000
CONNECTIONS = 8
MANY_CONNECTIONS = (16, 200)
SECONDS = 3.0
ROUNDS = 2
BATCH_SIZE = 100
WEBHOOKS, EVENTS = 4, 24_000
NOW = datetime(2026, 11, 20, tzinfo=UTC)

TRACK, DECISION, PROFILE, WHOLE, BATCH, FLOOR = (
    *("POST /v1/track", "POST /v1/decisions", "GET /v1/profiles/{id}", "GET /v1/profiles/{id}, all parts"),
    *("POST /v1/batch of 100", "floor: GET /healthz"),
)
# The least share of the floor's rate.
LEAST = {TRACK: 0.3, DECISION: 0.3, PROFILE: 0.5, WHOLE: 0.25}
MOST_SECONDS, MOST_TIMES_QUIET, MOST_MEGABYTES = 2.0, 5.0, 500.0


def measure(_options: argparse.Namespace) -> Report:
    """Serve, and ask all routes in turn."""
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as name:
        home = Path(name)
        fill(home, PROFILES)
        consent(home, PROFILES)
        client = added(home, "bench", "--scope", "profiles:read", "--scope", "decisions:read")
        write_key = added(home, "site", "--write-key", "--source", "web")["write_key"]
        with service(home, CDP_WEBHOOKS__SEGMENT__SECRET=senders.STANDARD_SECRET) as (url, process):
            routes = requests(url, token(url, client), write_key)
            taken = {
                (route, connections): asyncio.run(ask_in_rounds(url, turns, connections))
                for connections in MANY_CONNECTIONS
                for route, turns in routes.items()
            }
            quiet = asyncio.run(ask(url, routes[DECISION], CONNECTIONS))
            busy = asyncio.run(ask_beside_webhooks(url, routes[DECISION]))
            megabytes = resident_megabytes(process.pid)
    rates = {place: found.rate for place, found in taken.items()}
    shares = {(route, n): rate / rates[FLOOR, n] for (route, n), rate in rates.items()}
    # A batch is a hundred events: those of 200 connections are 20,000 at once, and wait as long as these take.
    longest = max(max(found.latencies) for (route, _), found in taken.items() if route in LEAST)
    waited = latency([busy])[1] / latency([quiet])[1]
    rows = [
        [route, n, round(rates[route, n]), round(shares[route, n], 2), *latency([found])]
        for (route, n), found in taken.items()
    ]
    return Report(
        f"one worker, {PROFILES:,} profiles",
        ("route", "connections", "requests_per_second", "of_the_floor", "p50_ms", "p99_ms"),
        [
            *rows,
            ["decisions, quiet", CONNECTIONS, round(quiet.rate), None, *latency([quiet])],
            [f"decisions beside {WEBHOOKS} webhooks", CONNECTIONS, round(busy.rate), None, *latency([busy])],
            ["megabytes after the webhooks", None, round(megabytes), None, None, None],
        ],
        ratio=1 / shares[PROFILE, MANY_CONNECTIONS[0]],
        ratio_of="requests a second of the floor over those of a profile",
        limits=(
            *(
                Limit(f"floor's rate over that of {route}, {n} connections", 1 / shares[route, n], 1 / least)
                for n in MANY_CONNECTIONS
                for route, least in LEAST.items()
            ),
            Limit("seconds of the longest request", longest, MOST_SECONDS),
            Limit("p99 of decisions beside webhooks over quiet", waited, MOST_TIMES_QUIET),
            Limit("megabytes after the webhooks", megabytes, MOST_MEGABYTES),
        ),
    )


def resident_megabytes(pid: int) -> float:
    """The memory that a process holds now."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def added(home: Path, *arguments: str) -> dict[str, str]:
    """The credentials of a new client."""
    found: dict[str, str] = json.loads(cdp(home, "clients", "add", *arguments, "--json").stdout)
    return found


def fill(home: Path, profiles: int) -> None:
    """A store with so many documents, as a run leaves it."""
    store = open_store(f"sqlite:///{home / 'store.sqlite'}")
    with store.write() as connection:
        apply_publish(connection, PublishedChanges(NOW, profiles_upsert=documents(profiles)))
        record_run(connection, "run_bench", NOW, NOW, published=True, report={})
    store.close()


def consent(home: Path, profiles: int) -> None:
    """Everybody agrees to e-mail."""
    points = [contact_point_id("email", f"person{number}@example.com") for number in range(profiles)]
    granted = [Statement(one, "email", "email", "marketing", "granted", NOW, "bench", "person") for one in points]
    store = open_store(f"sqlite:///{home / 'store.sqlite'}")
    with store.write() as connection:
        record(connection, granted, NOW)
    store.close()


def requests(url: str, bearer: str, write_key: str) -> dict[str, Iterable[bytes]]:
    """What is asked, by route. Each event comes once: the same again would be a duplicate."""
    ids = [profile_id(number * 7919 % PROFILES) for number in range(20_000)]
    return {
        TRACK: (request(url, "/v1/track", write_key, _event(number)) for number in count()),
        DECISION: [question(url, bearer, one) for one in ids],
        PROFILE: [request(url, f"/v1/profiles/{one}", bearer) for one in ids],
        WHOLE: [request(url, f"/v1/profiles/{one}?include={','.join(PARTS)}", bearer) for one in ids],
        BATCH: (request(url, "/v1/batch", write_key, _batch(number)) for number in count()),
        FLOOR: [request(url, "/healthz", bearer)],
    }


def _event(number: int) -> dict[str, Any]:
    event = {"event": "Product Viewed", "timestamp": NOW.isoformat(), "properties": {"product_id": "BAG-120"}}
    return {**event, "userId": f"usr_{number % 5_000}", "messageId": f"s-{number}"}


def question(url: str, bearer: str, *people: str) -> bytes:
    """A request about one person, or about several."""
    asked = [{"profile_id": one, "purpose": "marketing", "candidates": ["email", "sms", "push"]} for one in people]
    return request(url, "/v1/decisions", bearer, asked if len(asked) > 1 else asked[0])


def _batch(number: int) -> dict[str, Any]:
    at = NOW.isoformat()
    event = {"type": "track", "event": "Product Viewed", "timestamp": at, "properties": {"product_id": "BAG-120"}}
    people = range(BATCH_SIZE)
    return {
        "sentAt": at,
        "batch": [{**event, "userId": f"usr_{person}", "messageId": f"m-{number}-{person}"} for person in people],
    }


def request(url: str, path: str, bearer: str, body: Any = None) -> bytes:
    content = json.dumps(body).encode() if body else b""
    head = (
        f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Authorization: Bearer {bearer}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
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


async def ask_in_rounds(url: str, requests: Iterable[bytes], connections: int) -> Answers:
    """Ask several times, so that what else happens on the machine falls on one of them."""
    turns = iter(cycle(requests)) if isinstance(requests, list) else iter(requests)
    rounds = [await ask(url, turns, connections) for _ in range(ROUNDS)]
    return max(rounds, key=lambda found: found.rate)


async def ask_beside_webhooks(url: str, requests: Iterable[bytes]) -> Answers:
    """Ask for decisions for as long as it takes to receive the webhooks."""
    async with httpx.AsyncClient(timeout=300) as http:
        sent = asyncio.gather(*(_send_webhook(http, url, number) for number in range(WEBHOOKS)))
        taken: list[Answers] = []
        while not sent.done():
            taken.append(await ask(url, requests, CONNECTIONS))
        await sent
    return Answers([one for found in taken for one in found.latencies], sum(found.seconds for found in taken))


async def _send_webhook(http: httpx.AsyncClient, url: str, number: int) -> None:
    call = {"type": "track", "event": "Song Played", "timestamp": "2026-11-20T00:00:00Z"}
    calls = [{**call, "userId": f"u{one % 9_000}", "messageId": f"w{number}-{one}"} for one in range(EVENTS)]
    sent = senders.standard({"batch": calls}, datetime.now(UTC), message_id=f"msg_{number}")
    answer = await http.post(f"{url}/webhooks/segment", content=sent.body, headers=dict(sent.headers))
    assert answer.json()["accepted"] == EVENTS, answer.text


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
