from __future__ import annotations

from datetime import timedelta

from cdp.delivery import InDoubt, Refused
from cdp.store import Store
from tests.sending.world import NOW, Recorder, World

# As the shipped policy has it: e-mail waits 24 hours for a delivery, then the text message is tried.
CHANNELS = ("email", "sms")


def test_a_failure_tries_the_next_channel_at_once(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann, channels=CHANNELS)
    assert message.fallbacks
    world.recorder.script = [Refused("http_400")]
    world.work()
    assert world.states() == [("email", "failed"), ("sms", "accepted")]
    [_, second] = world.all_messages()
    assert second.parent_id == message.message_id
    assert [one.address[:5] for one in world.recorder.ledger] == ["+4179"]


def test_a_channel_that_has_lost_its_provider_is_passed_over(store: Store) -> None:
    before = World(store)
    [ann, bob] = before.people("ann", "bob")
    for one, channels in ((ann, ("email", "sms", "push")), (bob, CHANNELS)):
        before.send(one, channels=channels)
    after = World(store, before.clock, providers={"other": Recorder(channels=("email", "push"))})
    after.providers["other"].script = [Refused("http_400")] * 2
    after.work()
    assert after.states() == [("email", "failed"), ("email", "failed"), ("push", "accepted")]
    before.close()
    after.close()


def test_a_bounce_tries_it_too(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann, channels=CHANNELS)
    world.work()
    world.report(message, "bounced")
    world.work()
    assert world.states() == [("email", "bounced"), ("sms", "accepted")]


def test_silence_tries_it_in_its_time(world: World) -> None:
    [ann] = world.people("ann")
    world.send(ann, channels=CHANNELS)
    world.work()
    world.clock.advance(hours=23, minutes=59)
    world.work()
    assert world.states() == [("email", "accepted")]
    world.clock.advance(minutes=1)
    world.work()
    assert world.states() == [("email", "accepted"), ("sms", "accepted")]


def test_a_delivery_that_came_late_but_in_time_ends_it(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann, channels=CHANNELS)
    world.work()
    world.clock.advance(hours=23, minutes=59)
    world.report(message, "delivered")
    world.clock.advance(hours=3)
    world.work()
    assert world.states() == [("email", "delivered")]


def test_each_person_gets_one_fallback(world: World) -> None:
    people = world.people(*(f"person{number}" for number in range(60)))
    sent = world.send_all(*(world.wanted(one, channels=CHANNELS) for one in people))
    world.recorder.script = [Refused("http_400")] * 30
    world.work()
    for one in sent:
        world.report(one, "failed")
        world.report(one, "bounced")
    for _ in range(3):
        world.clock.advance(hours=24)
        world.work()
    texts = [one for one in world.all_messages() if one.channel == "sms"]
    assert len(texts) == len({one.parent_id for one in texts}) == 60


def test_a_message_in_doubt_is_followed_if_it_stays_silent(world: World) -> None:
    [ann] = world.people("ann")
    world.send(ann, channels=CHANNELS)
    world.recorder.script = [InDoubt("read_timeout")]
    world.work()
    assert world.states() == [("email", "unknown")]
    world.clock.advance(hours=24)
    world.work()
    assert world.states() == [("email", "unknown"), ("sms", "accepted")]


def test_the_gates_are_asked_anew(world: World) -> None:
    [ann] = world.people("ann")
    world.send(ann, channels=CHANNELS)
    world.work()
    world.opt_out("ann", "sms")
    world.clock.advance(hours=24)
    world.work()
    assert world.states() == [("email", "accepted"), (None, "refused")]


def test_what_the_person_has_stopped_is_not_said_on_another_channel(world: World) -> None:
    [ann] = world.people("ann")
    world.send(ann, channels=CHANNELS, at=NOW + timedelta(hours=1))
    world.opt_out("ann", "email")
    for hours in (1, 24, 24):
        world.clock.advance(hours=hours)
        world.work()
    assert world.states() == [("email", "suppressed")]


def test_who_wants_no_fallback_gets_none(world: World) -> None:
    [ann] = world.people("ann")
    world.send(ann, channels=CHANNELS, is_fallback_wanted=False)
    world.recorder.script = [Refused("http_400")]
    world.work()
    assert world.states() == [("email", "failed")]
