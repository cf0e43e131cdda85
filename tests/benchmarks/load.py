"""Ten minutes of everything at once over 200 connections: nothing fails, and the memory of the server stays level.

Profiles, look-ups in batches, decisions, tracked events, batches of events and consents, in a fixed order, over one
worker of `cdp serve` with 150,000 profiles.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import urlsplit

from tests import webhook_senders as senders
from tests.benchmarks.report import Limit, Report
from tests.benchmarks.serve import (
    BATCH,
    DECISION,
    PROFILE,
    PROFILES,
    TRACK,
    WHOLE,
    added,
    consent,
    fill,
    request,
    requests,
    resident_megabytes,
)
from tests.e2e.command import service, token

CONNECTIONS = 200
LOOKUPS_AT_ONCE = 20
SECONDS_BETWEEN_LOOKS = 5.0
LOOKUP, CONSENT = "POST /v1/profiles/lookup/batch", "POST /v1/consents"
# How often each comes, of a hundred.
MIXTURE = {TRACK: 40, DECISION: 25, PROFILE: 20, WHOLE: 5, LOOKUP: 4, CONSENT: 5, BATCH: 1}
# The memory at the end over that after a fifth of the time.
MOST_GROWTH = 1.1
SCOPES = ("profiles:read", "decisions:read", "consents:write")


def measure(options: argparse.Namespace) -> Report:
    """Serve, ask, and watch the memory."""
    seconds = options.minutes * 60.0
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as name:
        home = Path(name)
        fill(home, PROFILES)
        consent(home, PROFILES)
        client = added(home, "bench", *(part for scope in SCOPES for part in ("--scope", scope)))
        write_key = added(home, "site", "--write-key", "--source", "web")["write_key"]
        with service(home, CDP_WEBHOOKS__SEGMENT__SECRET=senders.STANDARD_SECRET) as (url, process):
            statuses, megabytes = asyncio.run(_load(url, token(url, client), write_key, process.pid, seconds))
    fifth = max(1, len(megabytes) // 5)
    before, after = fmean(megabytes[fifth : 2 * fifth]), fmean(megabytes[-fifth:])
    failed = sum(found for status, found in statuses.items() if status >= 500)
    refused = sum(found for status, found in statuses.items() if 400 <= status < 500)
    return Report(
        f"{options.minutes} minutes over {CONNECTIONS} connections",
        ("status", "answers", "a_second"),
        [(status, found, round(found / seconds)) for status, found in sorted(statuses.items())],
        ratio=after / before,
        ratio_of=f"memory at the end over that after a fifth of the time, {before:,.0f} MB",
        limits=(
            Limit("answers with 5xx", failed, 0),
            Limit("answers with 4xx", refused, 0),
            Limit("growth of the memory", after / before, MOST_GROWTH),
        ),
    )


async def _load(url: str, bearer: str, write_key: str, pid: int, seconds: float) -> tuple[Counter[int], list[float]]:
    """The answers by status, and the memory from time to time."""
    turns, statuses, megabytes = _mixed(url, bearer, write_key), Counter[int](), list[float]()
    deadline = time.monotonic() + seconds
    asking = asyncio.gather(*(_ask(url, turns, deadline, statuses) for _ in range(CONNECTIONS)))
    while not asking.done():
        megabytes.append(resident_megabytes(pid))
        await asyncio.wait([asking], timeout=SECONDS_BETWEEN_LOOKS)
    await asking
    return statuses, megabytes


def _mixed(url: str, bearer: str, write_key: str) -> Iterator[bytes]:
    routes: dict[str, Iterator[bytes]] = {
        route: cycle(turns) if isinstance(turns, list) else iter(turns)
        for route, turns in requests(url, bearer, write_key).items()
    }
    routes[LOOKUP] = (request(url, "/v1/profiles/lookup/batch", bearer, _lookups(number)) for number in count())
    routes[CONSENT] = (request(url, "/v1/consents", bearer, _consent(number)) for number in count())
    # Each as evenly spread as can be.
    places = sorted((place / share, route) for route, share in MIXTURE.items() for place in range(share))
    return (next(routes[route]) for _, route in cycle(places))


def _lookups(number: int) -> dict[str, Any]:
    first = number * LOOKUPS_AT_ONCE
    emails = (f"person{one % PROFILES}@example.com" for one in range(first, first + LOOKUPS_AT_ONCE))
    return {"requests": [{"identifiers": [{"type": "email", "value": email}]} for email in emails]}


def _consent(number: int) -> dict[str, Any]:
    state = "withdrawn" if number % 2 else "granted"
    person = {"type": "email", "value": f"person{number * 31 % PROFILES}@example.com"}
    return {"identifiers": [person], "channel": "email", "purpose": "marketing", "state": state}


async def _ask(url: str, turns: Iterator[bytes], deadline: float, statuses: Counter[int]) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    while time.monotonic() < deadline:
        writer.write(next(turns))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        found = re.search(rb"content-length: (\d+)", head)
        await reader.readexactly(int(found[1]) if found else 0)
        statuses[int(head[9:12])] += 1
    writer.close()
    await writer.wait_closed()
