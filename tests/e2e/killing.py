"""Workers of a server that are killed at random while SDKs send and senders ask, for a test and the benchmark `kills`.

Every event must arrive once, every question be decided once, and no client give up: SDKs send again by themselves, and
senders repeat a request without an answer under its `Idempotency-Key`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from segment.analytics.client import Client

from cdp.decision.tables import decisions
from cdp.live.tables import inbox
from cdp.store import open_store
from tests.e2e.command import cdp, service, token

SENDERS, ASKERS = 2, 2
# The pause before a kill, and how long a worker may take to come back.
LEAST_PAUSE, MOST_PAUSE, SECONDS_TO_RETURN = 0.3, 1.0, 60.0


@dataclass(frozen=True)
class Survived:
    """What was sent and asked, and what became of it."""

    kills: int
    events: int
    events_lost: int
    events_doubled: int
    questions: int
    undecided: int
    decided_twice: int
    given_up: int


def survive(home: Path, store_url: str, kills: int, seed: int) -> Survived:
    """Kill one of two workers so many times, and count when everything has been sent."""
    home.mkdir()
    settings = {"CDP_STORE_URL": store_url}
    key = _added(home, settings, "site", "--write-key", "--source", "web")["write_key"]
    asker = _added(home, settings, "asker", "--scope", "decisions:read")
    stop = threading.Event()
    sent, asked, given_up = [0] * SENDERS, [0] * ASKERS, list[object]()
    with service(home, "--workers", "2", **settings) as (url, process):
        bearer = token(url, asker)
        threads = [
            *(_thread(_send, url, key, number, sent, given_up, stop) for number in range(SENDERS)),
            *(_thread(_ask, url, bearer, number, asked, stop) for number in range(ASKERS)),
        ]
        _kill_workers(process.pid, kills, random.Random(seed))
        stop.set()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), "a client did not come to an end"
    events, decided = _stored(store_url)
    return Survived(
        kills=kills,
        events=sum(sent),
        events_lost=sum(sent) - len(events),
        events_doubled=events.total() - len(events),
        questions=sum(asked),
        undecided=max(0, sum(asked) - decided),
        decided_twice=max(0, decided - sum(asked)),
        given_up=len(given_up),
    )


def _added(home: Path, settings: dict[str, str], *arguments: str) -> dict[str, str]:
    answer = cdp(home, "clients", "add", *arguments, "--json", **settings)
    assert answer.exit_code == 0, answer.stderr
    found: dict[str, str] = json.loads(answer.stdout)
    return found


def _thread(work: Callable[..., None], *arguments: Any) -> threading.Thread:
    # A failure here must not wait for clients that go on asking.
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _send(url: str, key: str, number: int, sent: list[int], given_up: list[object], stop: threading.Event) -> None:
    """Track events with Segment's SDK until told to stop, then wait for the last ones."""
    client = Client(key, host=url, upload_size=20, upload_interval=0.05, on_error=lambda *error: given_up.append(error))
    while not stop.is_set():
        client.track(f"user-{number}-{sent[number] % 50}", "Song Played", {"place": f"{number}-{sent[number]}"})
        sent[number] += 1
        time.sleep(0.002)
    client.flush()
    client.join()


def _ask(url: str, bearer: str, number: int, asked: list[int], stop: threading.Event) -> None:
    """Ask for decisions one after the other; what gets no answer is asked again."""
    headers = {"Authorization": f"Bearer {bearer}"}
    while not stop.is_set():
        body = {"profile_id": "prf_00000000000000000000000000", "purpose": "marketing"}
        key = {"Idempotency-Key": f"asker-{number}-{asked[number]}"}
        while not _is_answered(url, body, headers | key):
            time.sleep(0.05)
        asked[number] += 1


def _is_answered(url: str, body: dict[str, str], headers: dict[str, str]) -> bool:
    try:
        answer = httpx.post(f"{url}/v1/decisions", json=body, headers=headers, timeout=30)
    except httpx.TransportError:
        return False
    assert answer.status_code in (200, 503), answer.text
    return answer.status_code == 200


def _kill_workers(server: int, kills: int, chance: random.Random) -> None:
    for _ in range(kills):
        time.sleep(chance.uniform(LEAST_PAUSE, MOST_PAUSE))
        victim = chance.choice(workers_of(server))
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + SECONDS_TO_RETURN
        while victim in (alive := workers_of(server)) or len(alive) < 2:
            assert time.monotonic() < deadline, "the worker was not replaced"
            time.sleep(0.05)


def workers_of(server: int) -> Sequence[int]:
    """The processes that serve; the tracker of multiprocessing's resources is none of them. Needs Linux."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def _stored(store_url: str) -> tuple[Counter[str], int]:
    """How often each event is in the inbox, by what it says of itself, and the number of decisions."""
    store = open_store(store_url)
    with store.read() as connection:
        payloads = connection.scalars(sa.select(inbox.c.payload)).all()
        decided = connection.scalar(sa.select(sa.func.count()).select_from(decisions)) or 0
    store.close()
    return Counter(json.loads(payload)["properties"]["place"] for payload in payloads), decided
