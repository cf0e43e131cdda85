"""Servers and workers that are killed at random while clients send messages, for a test and the benchmark.

Clients repeat a request that got no answer under its `Idempotency-Key`, as they are told to; the provider loses
answers, refuses and is slow, and tells of its messages by webhooks. At the end three ledgers are compared: the
clients', ours and the provider's.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import sqlalchemy as sa

from cdp.sending.tables import messages
from cdp.store import open_store
from tests.delivery.fakes import Fault, Providers, Reply, serving
from tests.delivery.receipts import reporting
from tests.e2e.installation import authorised, installed, let_time_pass
from tests.sending.ledgers import Result, compare, is_any_open, wait_for_progress, wait_until
from tests.sending.world import World, profile_id_of

CLIENTS = 3
# Between two requests of a client, each of a few messages, and the longest pause before a kill.
SECONDS_BETWEEN, MOST_AT_ONCE, MOST_PAUSE = 0.2, 10, 1.0
NAMES = tuple(f"person{number}" for number in range(500))
# Of a hundred requests: lost before and after the message was taken, failed after it, refused for now, slow.
FAULTS = (
    (0.01, Fault("take_and_drop")),
    (0.01, Fault("drop")),
    (0.01, Fault("take_and_reply", Reply(500))),
    (0.02, Fault("reply", Reply(503))),
    (0.02, Fault("reply", Reply(429, headers={"Retry-After": "1"}))),
    (0.10, Fault("late", seconds=0.3)),
)


# Of a hundred answered requests, so many are sent again all the same.
REPEATED = 0.05


@dataclass(frozen=True)
class Survived:
    """The ledgers compared. asked: the requests, each answered in the end. unkept: those answered with other messages
    when repeated, or with one that we do not have. unasked: the messages that we have, and nobody was told of.
    """

    result: Result
    asked: int
    unkept: int
    unasked: int


# The clients' ledger and ours.
MUST_BE_NONE = ("unkept", "unasked")


def survive(home: Path, store_url: str, kills: int, seed: int, *, servers: int = 2, workers: int = 2) -> Survived:
    """Kill so many of the processes, and all at the end; then finish the work, and compare."""
    chance, store = random.Random(seed), open_store(store_url)
    world = World(store)
    world.people(*NAMES)
    world.close()
    with (
        serving(Providers(chances=FAULTS, seed=seed)) as providers,
        installed(home, store_url, providers, servers=servers, workers=workers) as installation,
        reporting(providers, installation.urls, seed),
    ):
        shop = Shop(installation.urls, authorised(store, installation.urls[0], "messages:send"), seed)
        with shop.sending():
            for _ in range(kills):
                wait_for_progress(providers)
                time.sleep(chance.uniform(0, MOST_PAUSE))
                installation.replace_one(chance)
        installation.kill_all()
        # A message that is refused again and again would only make the end longer.
        providers.chances = ()
        let_time_pass(store)
        installation.start()
        wait_until(lambda: not is_any_open(store), "messages are still to be sent")
    result = compare(store, providers.taken, installation.kills)
    with store.read() as connection:
        kept = set(connection.scalars(sa.select(messages.c.message_id)))
    store.close()
    told = [one for answers in shop.answers.values() for one in answers]
    return Survived(
        result,
        asked=len(shop.answers),
        unkept=len(told) - len(shop.answers) + sum(not kept.issuperset(ids) for ids in told),
        unasked=len(kept.difference(*told)),
    )


@dataclass
class Shop:
    """Clients that send messages, each request until it is answered. answers: the ids that were told, by key."""

    urls: Sequence[str]
    headers: Mapping[str, str]
    seed: int
    answers: dict[str, set[tuple[str, ...]]] = field(default_factory=dict)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send during the block; at its end, go on until the last requests are answered."""
        stop = Event()
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._send_all, number, stop) for number in range(CLIENTS)]
            try:
                yield
            finally:
                stop.set()
            for one in clients:
                one.result()

    def _send_all(self, number: int, stop: Event) -> None:
        chance, sent = random.Random(f"{self.seed}-{number}"), 0
        with httpx.Client(timeout=30) as http:
            while not stop.is_set():
                sent += 1
                self._send(http, f"client-{number}-{sent}", chance)
                stop.wait(SECONDS_BETWEEN)

    def _send(self, http: httpx.Client, key: str, chance: random.Random) -> None:
        names = chance.choices(NAMES, k=chance.randint(1, MOST_AT_ONCE))
        body = {"messages": [_message_to(name) for name in names]}
        told = self.answers.setdefault(key, set())
        while not told or chance.random() < REPEATED:
            if answer := self._answer(http, key, body, chance):
                assert answer.status_code == 202, answer.text
                told.add(tuple(one["message_id"] for one in answer.json()["messages"]))
            else:
                time.sleep(0.05)

    def _answer(
        self, http: httpx.Client, key: str, body: Mapping[str, Any], chance: random.Random
    ) -> httpx.Response | None:
        """The answer of one of the servers; None if it is to be asked again."""
        headers = {**self.headers, "Idempotency-Key": key}
        try:
            answer = http.post(f"{chance.choice(self.urls)}/v1/messages/batch", json=body, headers=headers)
        except httpx.TransportError:
            return None
        return None if answer.status_code in (409, 503) else answer


def _message_to(name: str) -> Mapping[str, Any]:
    return {"to": {"profile_id": profile_id_of(name)}, "template": "welcome", "channels": ["email"]}
