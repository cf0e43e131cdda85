"""Chats: a bot's are open at all times, others only after the person has written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cdp.content.rendering import Inline
from cdp.delivery import InDoubt, Refused, Text
from cdp.sending.receipts import Extent, Receipt, record
from tests.sending.world import NOW, World, addresses_of, profile_id_of

HELLO = Inline(text="Hello")
CHATS = ("telegram", "messenger")


def ann(world: World) -> str:
    return world.people("ann", on_platforms=True)[0]


def test_a_bot_writes_at_any_time(world: World) -> None:
    world.send(ann(world), channels=("telegram",))
    world.work()
    [dispatch] = world.recorder.ledger
    assert (dispatch.channel, dispatch.address) == ("telegram", addresses_of("ann")["telegram_chat"])
    assert dispatch.content == Text("Welcome, Ann! See what is new: https://shop.example.com/new")


def test_a_bot_that_was_blocked_writes_no_more(world: World) -> None:
    person = ann(world)
    first = world.send(person, channels=("telegram",), purpose="transactional")
    world.recorder.script = [Refused("http_403_blocked", is_address_gone=True)]
    world.work()
    assert (world.message(first.message_id).state, world.message(first.message_id).reason) == (
        "failed",
        "http_403_blocked",
    )
    again = world.send(person, channels=("telegram",), purpose="transactional")
    assert (again.state, again.reason) == ("refused", "hard_bounce")


def test_messenger_takes_nothing_until_the_person_writes(world: World) -> None:
    person = ann(world)
    closed = world.send(person, channels=("messenger",))
    assert (closed.state, closed.reason) == ("refused", "chat_is_closed")
    world.wrote("ann", "messenger")
    world.send(person, channels=("messenger",))
    world.work()
    [dispatch] = world.recorder.ledger
    assert (dispatch.channel, dispatch.address) == ("messenger", addresses_of("ann")["messenger_psid"])


def test_what_was_written_elsewhere_opens_no_chat(world: World) -> None:
    person = ann(world)
    world.wrote("ann", "telegram")
    assert world.send(person, channels=("messenger",)).reason == "chat_is_closed"


def test_a_closed_chat_is_passed_over(world: World) -> None:
    assert world.send(ann(world), content=HELLO, channels=CHATS[::-1]).channel == "telegram"


@pytest.mark.parametrize(
    ("hours", "state"),
    [
        (23.9, "queued"),
        (24, "refused"),
    ],
)
def test_a_chat_closes_after_a_day(world: World, hours: float, state: str) -> None:
    person = ann(world)
    world.wrote("ann", "messenger")
    assert world.send(person, channels=("messenger",), at=NOW + timedelta(hours=hours)).state == state


def test_a_message_does_not_outlast_its_chat(world: World) -> None:
    person = ann(world)
    world.wrote("ann", "messenger")
    world.clock.advance(hours=23.5)
    message = world.send(person, channels=("messenger",))
    assert message.expires_at == NOW + timedelta(hours=24)
    world.clock.advance(hours=0.6)
    world.work()
    assert (world.message(message.message_id).state, world.recorder.calls) == ("expired", [])


def test_text_alone_fails_in_a_closed_chat_that_takes_templates(world: World) -> None:
    message = world.send(ann(world), content=HELLO, channels=("whatsapp",))
    world.work()
    found = world.message(message.message_id)
    assert (found.state, found.reason, world.recorder.calls) == ("failed", "chat_is_closed", [])


# --- receipts for all messages until a time ------------------------------------------------------------------


def read(world: World, event_type: str, *, name: str = "ann", hours: float = 0, provider: str = "recorder") -> None:
    """The person's app says that all messages until some hours from now have arrived or been read."""
    point = world.message(world.all_messages()[0].message_id).contact_point_id
    extent = Extent(profile_id_of(name), str(point), world.clock() + timedelta(hours=hours))
    event_id = f"{event_type} {world.clock()}"
    receipt = Receipt(provider, event_id, event_type, "messenger", world.clock(), extent=extent)
    with world.store.write() as connection:
        record(connection, [receipt], world.clock())


@pytest.fixture
def two(world: World) -> World:
    """A world with two messages in a chat, handed over an hour apart."""
    person = ann(world)
    for _ in range(2):
        world.wrote("ann", "messenger")
        world.send(person, channels=("messenger",), purpose="transactional")
        world.work()
        world.clock.advance(hours=1)
    return world


def opened(world: World) -> list[bool]:
    return [one.opened_at is not None for one in world.all_messages()]


def test_a_read_is_of_all_messages_until_then(two: World) -> None:
    read(two, "opened", hours=-1.5)
    assert (two.states(), opened(two)) == ([("messenger", "delivered"), ("messenger", "accepted")], [True, False])
    read(two, "opened")
    assert (two.states(), opened(two)) == ([("messenger", "delivered")] * 2, [True, True])


def test_each_message_has_the_report_once(two: World) -> None:
    for _ in range(2):
        read(two, "delivered")
    read(two, "opened")
    assert [[report.event_type for report in two.tracked(one).reports] for one in two.all_messages()] == [
        ["delivered", "opened"]
    ] * 2


@pytest.mark.parametrize("other", [{"name": "ben"}, {"provider": "somebody_else"}, {"hours": -9}])
def test_it_says_nothing_of_other_messages(two: World, other: dict[str, object]) -> None:
    read(two, "delivered", **other)  # type: ignore[arg-type]
    assert two.states() == [("messenger", "accepted")] * 2


def test_what_is_in_doubt_stays_in_doubt(world: World) -> None:
    person = ann(world)
    world.wrote("ann", "messenger")
    world.recorder.script = [InDoubt("read_timeout")]
    world.send(person, channels=("messenger",))
    world.work()
    read(world, "delivered")
    assert world.states() == [("messenger", "unknown")]
