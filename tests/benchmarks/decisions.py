"""A decision asked for over HTTP, logged before it is answered, against the bare /healthz route of the same process.

One worker of `cdp serve` over 10,000 profiles that consent to e-mail; this process asks over 8 connections that stay
open, about one person a request, for three seconds a route, three times in turn; then with 1,000 people in one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.people import profile_id
from tests.benchmarks.report import Limit, Report
from tests.benchmarks.serve import CONNECTIONS, Answers, ask, consent, fill, latency, question, request
from tests.e2e.command import cdp, serving, token

PROFILES = 10_000
ROUNDS = 3
AT_ONCE = 1_000
MOST_BARE_ANSWERS = 4.0

ONE, MANY, FLOOR = "POST /v1/decisions", f"POST /v1/decisions, {AT_ONCE:,} at once", "floor: GET /healthz"


def measure(_options: argparse.Namespace) -> Report:
    """Serve, and ask the routes in turn."""
    with tempfile.TemporaryDirectory(prefix="cdp-bench-") as name:
        home = Path(name)
        fill(home, PROFILES)
        consent(home, PROFILES)
        client = json.loads(cdp(home, "clients", "add", "bench", "--scope", "decisions:read", "--json").stdout)
        with serving(home) as url:
            bearer = token(url, client)
            people = [profile_id(number * 7919 % PROFILES) for number in range(PROFILES)]
            batches = [people[start : start + AT_ONCE] for start in range(0, PROFILES, AT_ONCE)]
            one = [question(url, bearer, person) for person in people]
            floor = [request(url, "/healthz", bearer)]
            taken: dict[str, list[Answers]] = {ONE: [], FLOOR: [], MANY: []}
            for _ in range(ROUNDS):
                taken[ONE].append(asyncio.run(ask(url, one)))
                taken[FLOOR].append(asyncio.run(ask(url, floor)))
            # Last: whoever has had many messages takes longer to decide about.
            many = [question(url, bearer, *batch) for batch in batches]
            taken[MANY] = [asyncio.run(ask(url, many, connections=2)) for _ in range(ROUNDS)]
    rates = {route: median(answers.rate for answers in rounds) for route, rounds in taken.items()}
    ratio, at_once = rates[FLOOR] / rates[ONE], rates[MANY] * AT_ONCE
    return Report(
        f"one worker, {CONNECTIONS} connections, {PROFILES:,} profiles",
        ("route", "requests_per_second", "p50_ms", "p99_ms"),
        [[route, round(rates[route], 1), *latency(rounds)] for route, rounds in taken.items()],
        ratio=ratio,
        ratio_of=f"requests a second of the floor over decisions one by one; {at_once:,.0f} a second at once",
        limits=[Limit("bare answers that a decision costs", ratio, MOST_BARE_ANSWERS)],
    )
