"""One request, posted many times at once over two servers that send meanwhile: it is done once, and answered alike."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from cdp.decision.tables import decisions
from cdp.sending.tables import messages
from cdp.store import Store, open_store
from tests.delivery.fakes import Providers, serving
from tests.e2e.installation import authorised, installed
from tests.sending.ledgers import is_any_open, wait_until
from tests.sending.world import World, profile_id_of

NAMES = tuple(f"person{number}" for number in range(60))


@dataclass(frozen=True)
class Outcome:
    """Of all requests: posts, and what there should be none of. messages, decisions: more or fewer than one for each
    that was asked for. answers: others than the first of their request. sent: taken by the provider more than once.
    """

    posts: int
    messages: int
    decisions: int
    answers: int
    sent: int


def _to(profile_id: str) -> Mapping[str, Any]:
    return {"to": {"profile_id": profile_id}, "template": "welcome", "channels": ["email"]}


@dataclass(frozen=True)
class Request:
    """What is posted, how often at once, and how many messages it asks for."""

    path: str
    body: Mapping[str, Any]
    posts: int = 100
    count: int = 1


REQUESTS: Mapping[str, Request] = {
    "a message": Request("", _to(profile_id_of(NAMES[0]))),
    "to nobody known": Request("", _to(f"prf_{'Z' * 26}")),
    # More than 50 are done in several transactions.
    "a batch": Request(
        "/batch",
        {"messages": [*(_to(profile_id_of(one)) for one in NAMES), {**_to("prf_x"), "template": "no_such"}]},
        posts=20,
        count=len(NAMES),
    ),
}


def repeat(home: Path, store_url: str, rounds: int) -> Outcome:
    """Post each request many times at once under one key, `rounds` times; then again when it has been sent."""
    store = open_store(store_url)
    world = World(store)
    world.people(*NAMES)
    world.close()
    with serving(Providers()) as providers, installed(home, store_url, providers, workers=0) as installation:
        headers = authorised(store, installation.urls[0], "messages:send")
        asked, bodies = 0, []
        for number in range(rounds):
            for name, one in REQUESTS.items():
                told = {**headers, "Idempotency-Key": f"{name.replace(' ', '-')}-{number}"}
                urls = [f"{url}/v1/messages{one.path}" for url in installation.urls]
                answers = asyncio.run(_post_at_once(one.posts, urls, told, one.body))
                wait_until(lambda: not is_any_open(store), "messages are still to be sent")
                answers += [httpx.post(url, headers=told, json=one.body, timeout=30).content for url in urls]
                bodies.append(answers)
                asked += one.count
    made, decided = _count(store)
    store.close()
    times = [one.message_id for one in providers.taken]
    return Outcome(
        posts=sum(map(len, bodies)),
        messages=abs(made - asked),
        decisions=abs(decided - asked),
        answers=sum(one != answers[0] for answers in bodies for one in answers),
        sent=len(times) - len(set(times)),
    )


async def _post_at_once(
    count: int, urls: Sequence[str], headers: Mapping[str, str], body: Mapping[str, Any]
) -> list[bytes]:
    """The answers of the servers. What is still at work elsewhere is asked again, as the answer says."""

    async def post(http: httpx.AsyncClient, url: str) -> bytes:
        while (answer := await http.post(url, headers=headers, json=body)).status_code in (409, 503):
            await asyncio.sleep(0.05)
        assert answer.status_code in (200, 202), answer.text
        return answer.content

    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=count)) as http:
        return await asyncio.gather(*(post(http, urls[number % len(urls)]) for number in range(count)))


def _count(store: Store) -> tuple[int, int]:
    """The numbers of messages and decisions."""
    with store.read() as connection:
        found = [connection.scalar(sa.select(sa.func.count()).select_from(one)) for one in (messages, decisions)]
    return found[0] or 0, found[1] or 0
