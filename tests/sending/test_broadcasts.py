"""A message to everybody in a segment: each person once, whatever happens on the way."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
import structlog

from cdp.delivery import Refused
from cdp.errors import Unavailable
from cdp.people.published import PublishedChanges, apply_publish
from cdp.sending.accepting import SEND
from cdp.sending.broadcasts import (
    Broadcasts,
    CannotChange,
    at_once,
    broadcast_of,
    cancel_broadcast,
    pause,
    progress,
    resume,
    start,
)
from cdp.sending.planning import FALLBACK
from cdp.work import Batch, Kind, Runner, queue
from tests.sending.world import NOW, World, new_broadcast

# So long somebody is given to come to where they wait.
SECONDS = 0.3
EVERYBODY = tuple(f"person{number}" for number in range(120))


def begin(world: World, **changes: Any) -> str:
    """Start a broadcast to 120 people; its id."""
    world.segments["all"] = world.people(*EVERYBODY)
    template = world.library.require("welcome")
    broadcast = new_broadcast(template, NOW, broadcast_id="bct_1", segment="all", **changes)
    with world.store.write() as connection:
        start(connection, broadcast)
    return broadcast.broadcast_id


def turn(world: World, change: Any, broadcast_id: str) -> None:
    with world.store.write() as connection:
        change(connection, broadcast_id, world.clock())


def claimed(world: World, kind: Kind) -> Batch:
    """The due items of a kind, as a worker has them in hand."""
    with world.store.write() as connection:
        claim = queue.claim(connection, kind.name, kind.batch_size, kind.lease, world.clock())
    return Batch(kind, world.store, claim.token, claim.items, world.clock(), world.clock, lambda: 0.5)


def figures(world: World, broadcast_id: str) -> dict[str, int]:
    with world.store.read() as connection:
        return dict(progress(connection, broadcast_id))


def addresses(world: World) -> Counter[str]:
    return Counter(one.address for one in world.recorder.ledger)


def test_everybody_gets_it_once_and_it_is_finished(world: World) -> None:
    broadcast_id = begin(world)
    world.work()
    assert set(addresses(world).values()) == {1} and len(addresses(world)) == 120
    assert figures(world, broadcast_id) == {"waiting": 0, "accepted": 120}
    with world.store.read() as connection:
        assert broadcast_of(connection, broadcast_id).state == "finished"


def test_it_waits_for_its_time(world: World) -> None:
    broadcast_id = begin(world, starts_at=NOW + timedelta(hours=1))
    world.work()
    assert figures(world, broadcast_id) == {"waiting": 0}
    world.clock.advance(hours=1)
    world.work()
    assert figures(world, broadcast_id) == {"waiting": 0, "accepted": 120}


def test_a_rate_spreads_it(world: World) -> None:
    broadcast_id = begin(world, rate=60)
    seen = []
    for _ in range(3):
        world.work()
        seen.append(len(world.recorder.ledger))
        world.clock.advance(seconds=30)
    assert at_once(60) == 5
    assert seen == [5, 10, 15]
    for _ in range(30):
        world.clock.advance(seconds=30)
        world.work()
    assert figures(world, broadcast_id) == {"waiting": 0, "accepted": 120}


def test_pausing_holds_what_is_queued_and_resuming_goes_on_without_doubling(world: World) -> None:
    broadcast_id = begin(world, rate=60)
    world.work()
    turn(world, pause, broadcast_id)
    turn(world, pause, broadcast_id)
    for _ in range(5):
        world.clock.advance(minutes=1)
        world.work()
    assert len(world.recorder.ledger) == 5
    turn(world, resume, broadcast_id)
    for _ in range(60):
        world.work()
        world.clock.advance(seconds=30)
    assert set(addresses(world).values()) == {1} and len(addresses(world)) == 120


def test_what_was_queued_before_a_pause_waits_and_is_withdrawn_by_a_cancel(world: World) -> None:
    broadcast_id = begin(world)
    # Everything but the sending itself, so that its messages wait.
    kinds = [kind for kind in world.kinds if kind.name != SEND]
    Runner(world.store, kinds, world.clock, structlog.get_logger(), lambda: 0.5).drain()
    assert figures(world, broadcast_id) == {"waiting": 0, "queued": 120}
    turn(world, pause, broadcast_id)
    world.work()
    assert world.recorder.calls == []
    turn(world, cancel_broadcast, broadcast_id)
    world.work()
    assert world.recorder.calls == []
    assert figures(world, broadcast_id) == {"waiting": 0, "cancelled": 120}


def test_what_is_queued_when_it_is_cancelled_is_not_sent(world: World) -> None:
    broadcast_id = begin(world)
    only_sending = [kind for kind in world.kinds if kind.name == SEND]
    others = [kind for kind in world.kinds if kind.name != SEND]
    Runner(world.store, others, world.clock, structlog.get_logger(), lambda: 0.5).drain()
    turn(world, cancel_broadcast, broadcast_id)
    Runner(world.store, only_sending, world.clock, structlog.get_logger(), lambda: 0.5).drain()
    assert world.recorder.calls == []
    assert figures(world, broadcast_id) == {"waiting": 0, "cancelled": 120}


@pytest.mark.parametrize(("change", "state"), [(pause, "queued"), (cancel_broadcast, "cancelled")])
def test_what_is_being_rendered_when_it_is_stopped_is_not_sent(world: World, change: Any, state: str) -> None:
    broadcast_id = begin(world)
    others = [kind for kind in world.kinds if kind.name != SEND]
    Runner(world.store, others, world.clock, structlog.get_logger(), lambda: 0.5).drain()
    callers = world.dispatcher._callers
    usual = callers.render_all

    def render_all(*given: Any) -> Any:
        callers.render_all = usual  # type: ignore[method-assign]
        turn(world, change, broadcast_id)
        return usual(*given)

    callers.render_all = render_all  # type: ignore[method-assign]
    world.work()
    assert world.recorder.calls == []
    assert figures(world, broadcast_id) == {"waiting": 0, state: 120}
    if change is pause:
        turn(world, resume, broadcast_id)
        world.work()
        assert figures(world, broadcast_id) == {"waiting": 0, "accepted": 120}


def test_cancelling_ends_it(world: World) -> None:
    broadcast_id = begin(world, rate=60)
    world.work()
    turn(world, cancel_broadcast, broadcast_id)
    for _ in range(10):
        world.clock.advance(minutes=1)
        world.work()
    assert len(world.recorder.ledger) == 5
    with pytest.raises(CannotChange, match="the broadcast is cancelled"):
        turn(world, resume, broadcast_id)


def test_a_holdout_gets_nothing_and_is_told(world: World) -> None:
    broadcast_id = begin(world, holdout=0.5)
    world.work()
    found = figures(world, broadcast_id)
    assert 30 < found["refused"] < 90 and found["refused"] + found["accepted"] == 120


def test_people_who_have_become_one_since_get_one(world: World) -> None:
    broadcast_id = begin(world, starts_at=NOW + timedelta(hours=1))
    one, other = world.segments["all"][:2]
    with world.store.write() as connection:
        aliases = pl.DataFrame({"old_profile_id": [other], "profile_id": [one], "run_id": ["run_1"]})
        gone = pl.DataFrame({"profile_id": [other]})
        apply_publish(connection, PublishedChanges(NOW, aliases_upsert=aliases, profiles_delete=gone))
    world.clock.advance(hours=1)
    world.work()
    assert figures(world, broadcast_id) == {"waiting": 0, "accepted": 119}


def test_a_warehouse_that_is_not_there_yet_is_tried_again(world: World) -> None:
    broadcast_id = begin(world)
    members = world.segments.pop("all")

    class Missing(dict[str, list[str]]):
        def __missing__(self, key: str) -> list[str]:
            raise Unavailable("there is no warehouse yet")

    world.segments = Missing()
    world.work()
    world.segments = {"all": members}
    world.clock.advance(minutes=1)
    world.work()
    assert figures(world, broadcast_id) == {"waiting": 0, "accepted": 120}


def test_a_pause_does_not_bring_it_forward(world: World) -> None:
    broadcast_id = begin(world, starts_at=NOW + timedelta(days=1))
    turn(world, pause, broadcast_id)
    turn(world, resume, broadcast_id)
    world.work()
    assert figures(world, broadcast_id) == {"waiting": 0}
    world.clock.advance(days=1)
    world.work()
    assert figures(world, broadcast_id) == {"waiting": 0, "accepted": 120}


@pytest.mark.backends("postgresql")
def test_a_pause_waits_for_who_works_on_it(world: World) -> None:
    broadcast_id = begin(world, state="running", is_gathered=True)
    working = Broadcasts(world.tools, world.store, lambda _: [])
    batch = claimed(world, working.kind())
    with ThreadPoolExecutor(1) as pool:
        with batch.settling() as settling:
            pausing = pool.submit(turn, world, pause, broadcast_id)
            wait([pausing], SECONDS)
            working._go_on(settling, batch.items[0], NOW)
        pausing.result()
    with world.store.read() as connection:
        assert broadcast_of(connection, broadcast_id).state == "paused"


@pytest.mark.backends("postgresql")
@pytest.mark.parametrize("change", [pause, cancel_broadcast])
def test_who_pauses_it_waits_for_attempts_that_are_being_written(world: World, change: Any) -> None:
    broadcast_id = begin(world)
    others = [kind for kind in world.kinds if kind.name != SEND]
    Runner(world.store, others, world.clock, structlog.get_logger(), lambda: 0.5).drain()
    batch = claimed(world, world.dispatcher.kind())
    with ThreadPoolExecutor(1) as pool:
        with batch.settling() as settling:
            assert len(world.dispatcher._start(settling, batch)) == 50
            turning = pool.submit(turn, world, change, broadcast_id)
            wait([turning], SECONDS)
            assert not turning.done()
        turning.result()


@pytest.mark.backends("postgresql")
def test_who_resumes_it_and_who_sends_do_not_wait_for_each_other(world: World) -> None:
    broadcast_id = begin(world)
    others = [kind for kind in world.kinds if kind.name != SEND]
    Runner(world.store, others, world.clock, structlog.get_logger(), lambda: 0.5).drain()
    turn(world, pause, broadcast_id)
    batch = claimed(world, world.dispatcher.kind())
    with ThreadPoolExecutor(1) as pool:
        with batch.settling() as settling:
            resuming = pool.submit(turn, world, resume, broadcast_id)
            wait([resuming], SECONDS)
            assert world.dispatcher._start(settling, batch) == []
        resuming.result()
    world.work()
    assert set(addresses(world).values()) == {1} and len(addresses(world)) == 120


def test_a_cancelled_broadcast_has_no_fallbacks(world: World) -> None:
    broadcast_id = begin(world)
    world.recorder.script = [Refused("http_400")] * 120
    kinds = [kind for kind in world.kinds if kind.name != FALLBACK]
    Runner(world.store, kinds, world.clock, structlog.get_logger(), lambda: 0.5).drain()
    turn(world, cancel_broadcast, broadcast_id)
    world.work()
    assert figures(world, broadcast_id) == {"waiting": 0, "failed": 120}
