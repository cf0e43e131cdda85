"""Stops at random moments around the dispatch of messages, while a server and a worker send: what is stopped in time?

A STOP by text message, consent withdrawn, a message cancelled, a broadcast paused or cancelled, each over HTTP. Once it
has been answered, the attempts on record are looked at: what has none by then must never be handed over.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from cdp.ids import sortable_id
from cdp.sending.accepting import SEND
from cdp.sending.broadcasts import BROADCAST, start
from cdp.sending.tables import broadcast_people, message_attempts, messages
from cdp.store import Connection, Store, open_store
from cdp.work.tables import work_items
from tests import webhook_senders as senders
from tests.delivery.fakes import Providers, Taken, serving
from tests.e2e.installation import authorised, installed
from tests.sending.ledgers import wait_until
from tests.sending.world import LIBRARY, World, addresses_of, new_broadcast, profile_id_of

AT_ONCE = 8
# The longest time between a message and its stop.
MOST_SECONDS = 0.4
# Who gets messages beside the one that is stopped, so that batches are not of one.
BYSTANDERS = tuple(f"bystander{number}" for number in range(100))
BESIDE, IN_A_BROADCAST = 10, 20
SCOPES = ("messages:send", "consents:write")


@dataclass(frozen=True)
class Stop:
    """A stop that was answered. about: the messages, or the id of a broadcast. started: those that had an attempt when
    the answer was there.
    """

    kind: str
    answered_at: float
    about: Sequence[str] | str
    started: frozenset[str]


@dataclass(frozen=True)
class Row:
    """The messages of all stops of a kind.

    in_time: never handed over. before: handed over before the answer. in_flight: after it, but started before.
    latest_ms: the latest of these. violations: after it, and not started before. untold: stopped, but not told so.
    """

    kind: str
    stops: int
    in_time: int
    before: int
    in_flight: int
    latest_ms: float
    violations: int
    untold: int


MUST_BE_NONE = ("violations", "untold")


def stop_all(home: Path, store_url: str, count: int, seed: int) -> list[Row]:
    """Stop so many messages and broadcasts, several at a time, and look what was sent; a row for each kind of stop."""
    store = open_store(store_url)
    names = [f"person{number}" for number in range(count)]
    assert len({addresses_of(name)["phone"] for name in (*names, *BYSTANDERS)}) == count + len(BYSTANDERS)
    world = World(store)
    world.people(*names, *BYSTANDERS)
    world.close()
    with (
        serving(Providers()) as providers,
        installed(home, store_url, providers, servers=1, workers=1) as installation,
        httpx.Client(base_url=installation.urls[0], timeout=60) as http,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        http.headers.update(authorised(store, installation.urls[0], *SCOPES))
        kinds = list(KINDS)
        trials = [Trial(store, http, random.Random(f"{seed}-{name}"), name) for name in names]
        stops = list(pool.map(lambda one: KINDS[kinds[one[0] % len(kinds)]](one[1]), enumerate(trials)))
        wait_until(lambda: _is_idle(store), "work is still to be done")
        rows = [_row(kind, [one for one in stops if one.kind == kind], store, providers.taken) for kind in KINDS]
    store.close()
    return rows


@dataclass
class Trial:
    """One message to `name`, or one broadcast, that is stopped after a random time."""

    store: Store
    http: httpx.Client
    chance: random.Random
    name: str

    @property
    def phone(self) -> str:
        return addresses_of(self.name)["phone"]

    def send(self) -> str:
        """Send a message among others, and return its id."""
        names = [self.name, *self.chance.sample(BYSTANDERS, BESIDE)]
        wanted = [
            {"to": {"profile_id": profile_id_of(name)}, "template": "welcome", "channels": ["sms"]} for name in names
        ]
        answer = self._post("/v1/messages/batch", {"messages": wanted})
        message_id: str = answer.json()["messages"][0]["message_id"]
        return message_id

    def broadcast(self) -> str:
        """Start a broadcast whose people have been gathered, and return its id."""
        now, content = datetime.now(UTC), LIBRARY.require("welcome")
        broadcast_id = sortable_id("bct", now)
        begun = new_broadcast(
            content,
            now,
            broadcast_id=broadcast_id,
            segment="some",
            campaign=self.name,
            state="running",
            is_gathered=True,
        )
        people = [profile_id_of(name) for name in self.chance.sample(BYSTANDERS, IN_A_BROADCAST)]
        with self.store.write() as connection:
            connection.execute(
                broadcast_people.insert(), [{"broadcast_id": broadcast_id, "profile_id": one} for one in people]
            )
            start(connection, begun)
        return broadcast_id

    def wait(self) -> None:
        time.sleep(self.chance.uniform(0, MOST_SECONDS))

    def stopped(self, kind: str, about: Sequence[str] | str) -> Stop:
        """What is on record as the answer is there."""
        answered_at = time.time()
        with self.store.read() as connection:
            started = _started(connection, about)
        return Stop(kind, answered_at, about, frozenset(started))

    def text_stop(self) -> Stop:
        message_id = self.send()
        self.wait()
        fields = {"MessageSid": f"SM-{self.name}", "From": self.phone, "To": "+41790000000", "Body": "STOP"}
        request = senders.twilio(fields, datetime.now(UTC))
        answer = self.http.post("/webhooks/twilio", content=request.body, headers=dict(request.headers))
        assert answer.status_code == 200, answer.text
        return self.stopped("STOP by text", [message_id])

    def withdraw_consent(self) -> Stop:
        message_id = self.send()
        self.wait()
        about = {"identifiers": [{"type": "phone", "value": self.phone}], "channel": "sms", "purpose": "marketing"}
        self._post("/v1/consents", {**about, "state": "withdrawn"})
        return self.stopped("consent withdrawn", [message_id])

    def cancel(self) -> Stop:
        message_id = self.send()
        self.wait()
        answer = self.http.post(f"/v1/messages/{message_id}/cancel")
        assert answer.status_code in (200, 409), answer.text
        # Refused, because it was being sent.
        return self.stopped("cancelled", [message_id] if answer.status_code == 200 else [])

    def turn_broadcast(self, kind: str, to: str) -> Stop:
        broadcast_id = self.broadcast()
        if self.chance.random() < 0.7:
            # Around the dispatch of its messages; the others around their making.
            wait_until(lambda: self._has_messages(broadcast_id), "the broadcast does not begin")
        self.wait()
        self._post(f"/v1/broadcasts/{broadcast_id}/{to}")
        return self.stopped(kind, broadcast_id)

    def _has_messages(self, broadcast_id: str) -> bool:
        with self.store.read() as connection:
            found = connection.scalar(sa.select(messages.c.message_id).where(_is_about(broadcast_id)).limit(1))
        return found is not None

    def _post(self, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer


KINDS: Mapping[str, Callable[[Trial], Stop]] = {
    "STOP by text": Trial.text_stop,
    "consent withdrawn": Trial.withdraw_consent,
    "cancelled": Trial.cancel,
    "broadcast paused": partial(Trial.turn_broadcast, kind="broadcast paused", to="pause"),
    "broadcast cancelled": partial(Trial.turn_broadcast, kind="broadcast cancelled", to="cancel"),
}


def _is_about(about: Sequence[str] | str) -> sa.ColumnElement[bool]:
    return messages.c.broadcast_id == about if isinstance(about, str) else messages.c.message_id.in_(about)


def _started(connection: Connection, about: Sequence[str] | str) -> list[str]:
    """Those of the messages that have an attempt."""
    attempted = sa.select(message_attempts.c.message_id)
    wanted = sa.select(messages.c.message_id).where(_is_about(about), messages.c.message_id.in_(attempted))
    return list(connection.scalars(wanted))


def _is_idle(store: Store) -> bool:
    """Whether nothing is due, or to be tried again after an error; what is paused waits."""
    now = datetime.now(UTC)
    is_open = sa.and_(work_items.c.finished_at.is_(None), work_items.c.kind.in_((SEND, BROADCAST)))
    is_due = sa.or_(work_items.c.not_before <= now, work_items.c.lease_until > now, work_items.c.error.is_not(None))
    with store.read() as connection:
        return connection.scalar(sa.select(work_items.c.seq).where(is_open, is_due).limit(1)) is None


# What a message is, once it has been stopped in time.
_STOPPED = {"queued", "suppressed", "cancelled"}


def _row(kind: str, stops: Sequence[Stop], store: Store, taken: Sequence[Taken]) -> Row:
    called_at = {one.message_id: one.called_at for one in taken}
    in_time = before = in_flight = violations = untold = 0
    latest = 0.0
    for stop in stops:
        with store.read() as connection:
            wanted = sa.select(messages.c.message_id, messages.c.state).where(_is_about(stop.about))
            states = dict(connection.execute(wanted).all())
        for message_id, state in states.items():
            if message_id not in called_at:
                in_time += 1
                untold += state not in _STOPPED
            elif called_at[message_id] <= stop.answered_at:
                before += 1
            elif message_id in stop.started:
                in_flight += 1
                latest = max(latest, called_at[message_id] - stop.answered_at)
            else:
                violations += 1
    return Row(kind, len(stops), in_time, before, in_flight, round(latest * 1_000, 1), violations, untold)
