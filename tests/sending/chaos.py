"""Processes that accept messages and send them, killed at random, against a provider that keeps a ledger of its own.

At the end the two ledgers are compared: no message was taken twice, none was lost, and of those whose worker died with
them in hand, each is told as in doubt until its receipt comes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from threading import Event

import structlog

from cdp.decision.policy import Policy
from cdp.providers.sendgrid.send import SENDER
from cdp.sending.dispatching import Dispatcher
from cdp.sending.post import Route
from cdp.sending.receipts import Receipt, record
from cdp.store import Store, open_store
from cdp.work import Runner
from tests.cdp.deciding import policy
from tests.cdp.work.chaos import Role, context, kept_up, replace_one, utc_now
from tests.delivery.fakes import Fault, Providers, Reply, serving
from tests.delivery.fakes.sendgrid import KEY
from tests.sending.ledgers import Result, compare, is_any_open, wait_for_progress, wait_until
from tests.sending.world import Clock, World, profile_id_of

context.set_forkserver_preload([__name__])

WORKERS, ACCEPTORS = 2, 2
LEASE = timedelta(seconds=2)
NAMES = tuple(f"person{number}" for number in range(200))
# Of a hundred requests: lost before and after the message was taken, refused for now, slow.
FAULTS = (
    (0.01, Fault("take_and_drop")),
    (0.01, Fault("drop")),
    (0.03, Fault("reply", Reply(503))),
    (0.10, Fault("late", seconds=0.02)),
)


class RealClock(Clock):
    def __call__(self) -> datetime:
        return utc_now()


def survive(url: str, kills: int, seed: int) -> Result:
    """Kill this many of the processes, then finish the work, send the receipts and compare."""
    chance, store = random.Random(seed), open_store(url)
    world = _world(store)
    world.people(*NAMES)
    with serving(Providers(chances=FAULTS, seed=seed)) as providers:
        roles: list[Role] = [partial(send_all, providers.url)] * WORKERS + [accept_all] * ACCEPTORS
        with kept_up(roles, url) as processes:
            for _ in range(kills):
                wait_for_progress(providers)
                time.sleep(chance.uniform(0.1, 0.7))
                replace_one(processes, chance.randrange(len(processes)), url)
        _finish(store, providers.url)
        _report_all(store, providers)
        # All end with a kill.
        result = compare(store, providers.taken, kills + len(roles))
    store.close()
    return result


def send_all(provider_url: str, url: str) -> None:
    """Send due messages, forever."""
    _runner(open_store(url), provider_url).run(Event())


def accept_all(url: str) -> None:
    """Accept messages, forever."""
    world, chance = _world(open_store(url)), random.Random()
    while True:
        world.send_all(*(world.wanted(profile_id_of(name), channels=("email",)) for name in chance.sample(NAMES, 5)))
        time.sleep(0.02)


def _world(store: Store, routes: Sequence[Route] | None = None) -> World:
    world = World(store, RealClock(), policy=_without_caps())
    if routes:
        post = type(world.tools.post)(routes)
        world.tools = replace(world.tools, post=post)
        world.dispatcher = Dispatcher(world.tools)
    return world


def _without_caps() -> Policy:
    return policy(frequency_caps={})


def _runner(store: Store, provider_url: str) -> Runner:
    settings = {"api_key": KEY, "from_address": "news@example.com", "base_url": f"{provider_url}/sendgrid"}
    world = _world(store, [Route("sendgrid", SENDER, settings)])
    kind = replace(world.dispatcher.kind(), lease=LEASE)
    log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger("CRITICAL"))
    # Retries come soon.
    return Runner(store, [kind], utc_now, log, lambda: 0.99)


def _finish(store: Store, provider_url: str) -> None:
    """Send the remaining messages. Those of killed processes are due when their leases expire."""
    runner = _runner(store, provider_url)

    def is_finished() -> bool:
        runner.drain()
        return not is_any_open(store)

    wait_until(is_finished, "messages are still to be sent")


def _report_all(store: Store, providers: Providers) -> None:
    now = utc_now()
    receipts = [
        Receipt("sendgrid", f"r-{one.message_id}", "delivered", "email", now, message_id=one.message_id)
        for one in providers.taken
    ]
    with store.write() as connection:
        record(connection, receipts, now)
