from __future__ import annotations

from itertools import permutations

import pytest

from tests.sending.world import World


@pytest.mark.parametrize("by", ["message_id", "provider_id"])
def test_receipts_move_a_message_forward(world: World, by: str) -> None:
    [ann] = world.people("ann")
    message = world.send(ann)
    world.work()
    states = []
    for event in ("sent", "delivered", "opened", "clicked"):
        world.clock.advance(minutes=1)
        world.report(message, event, by=by)
        states.append(world.message(message.message_id).state)
    assert states == ["sent", "delivered", "delivered", "delivered"]
    found = world.tracked(message)
    assert found.message.clicked_at == world.clock()
    assert [one.event_type for one in found.reports] == ["sent", "delivered", "opened", "clicked"]


@pytest.mark.parametrize("order", list(permutations(("sent", "delivered", "opened"))))
def test_in_any_order_doubled_and_at_once(world: World, order: tuple[str, ...]) -> None:
    [ann] = world.people("ann")
    message = world.send(ann)
    world.work()
    world.report(message, *order, *order)
    world.report(message, *order)
    found = world.tracked(message)
    assert (found.message.state, len(found.reports)) == ("delivered", 3)


def test_another_provider_cannot_speak_of_it(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann)
    world.work()
    world.report(message, "bounced", provider="somebody_else")
    assert list(world.tracked(message).reports) == []
    assert world.message(message.message_id).state == "accepted"


def test_a_receipt_before_the_message_was_handed_over_is_nobodys(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann)
    world.report(message, "delivered")
    assert world.message(message.message_id).state == "queued"
