from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cdp.content.compiled import compile_template
from cdp.content.model import Template
from cdp.content.rendering import Inline
from cdp.delivery import Dispatch, Email, InDoubt, Outcome, Refused, Retry, Text
from cdp.errors import InputRefused, Unavailable
from cdp.sending import calling
from cdp.sending.accepting import SEND
from cdp.sending.withdrawing import CannotCancel, cancel
from cdp.store import Store
from cdp.work import Batch, queue
from tests.cdp.deciding import policy
from tests.sending.world import NOW, World


def test_a_message_is_handed_over_once_and_tracked(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann)
    assert (message.state, message.channel, message.send_at) == ("queued", "email", NOW)
    world.work()
    world.work()
    [dispatch] = world.recorder.ledger
    assert (dispatch.message_id, dispatch.address) == (message.message_id, "ann@example.com")
    assert isinstance(dispatch.content, Email) and dispatch.content.subject == "Welcome, Ann"
    assert dispatch.content.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert dispatch.callback_url == "https://cdp.example.com/webhooks/recorder"
    found = world.tracked(message)
    assert (found.message.state, found.message.provider) == ("accepted", "recorder")
    assert [(one.number, one.provider, one.outcome) for one in found.attempts] == [(1, "recorder", "accepted")]


def test_it_waits_for_its_time(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann, at=NOW + timedelta(hours=3))
    world.work()
    assert world.recorder.calls == []
    world.clock.advance(hours=3)
    world.work()
    assert world.message(message.message_id).state == "accepted"


def test_a_text_message_says_how_to_stop(world: World) -> None:
    [ann] = world.people("ann")
    world.send(ann, channels=("sms",))
    world.work()
    content = world.recorder.ledger[0].content
    assert isinstance(content, Text) and content.text.endswith("Reply STOP to opt out")


def test_a_message_about_an_order_has_its_data_and_no_link(world: World) -> None:
    [ann] = world.people("ann")
    world.send(ann, "order_shipped", purpose="transactional", data={"order_id": "A-1", "tracking_url": "https://x"})
    world.work()
    content = world.recorder.ledger[0].content
    assert isinstance(content, Email)
    assert content.subject == "Your order A-1 is on its way" and content.headers == {}


RETRIES = (
    # seconds after each attempt with half the jitter: 30 s × 2ⁿ × (1 - ½)
    (15, 30, 60, 120),
)


@pytest.mark.parametrize("seconds", RETRIES)
def test_what_was_surely_not_taken_is_retried_later(world: World, seconds: tuple[int, ...]) -> None:
    [ann] = world.people("ann")
    message = world.send(ann, deadline=NOW + timedelta(days=1))
    world.recorder.script = [Retry("http_503")] * len(seconds)
    for number, wait in enumerate(seconds, 1):
        world.work()
        assert len(world.recorder.calls) == number
        assert (world.message(message.message_id).state, world.message(message.message_id).reason) == (
            "queued",
            "http_503",
        )
        world.clock.advance(seconds=wait - 1)
        world.work()
        assert len(world.recorder.calls) == number
        world.clock.advance(seconds=1)
    world.work()
    assert world.message(message.message_id).state == "accepted"
    assert len(world.recorder.ledger) == 1


def test_the_provider_says_how_long_to_wait(world: World) -> None:
    [ann] = world.people("ann")
    world.send(ann)
    world.recorder.script = [Retry("http_429", timedelta(seconds=17))]
    world.work()
    world.clock.advance(seconds=16)
    world.work()
    assert len(world.recorder.calls) == 1
    world.clock.advance(seconds=1)
    world.work()
    assert len(world.recorder.ledger) == 1


def test_retries_end_when_the_message_expires(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann, is_fallback_wanted=False)
    world.recorder.script = [Retry("http_503")] * 1_000
    for _ in range(200):
        world.work()
        world.clock.advance(minutes=1)
    assert world.message(message.message_id).state == "expired"
    assert len(world.recorder.calls) < 20


def test_a_lost_answer_is_never_sent_again(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann)
    world.recorder.script = [InDoubt("read_timeout")]
    for _ in range(10):
        world.work()
        world.clock.advance(minutes=5)
    assert len(world.recorder.calls) == 1
    found = world.message(message.message_id)
    assert (found.state, found.reason) == ("unknown", "read_timeout")
    world.report(message, "delivered")
    assert world.message(message.message_id).state == "delivered"


def test_a_lost_answer_is_sent_again_where_the_policy_says_so(store: Store) -> None:
    purposes = {"transactional": {"needs_consent": False, "is_capped": False, "on_unknown": "resend"}}
    world = World(store, policy=policy(purposes={**_purposes(), **purposes}))
    [ann] = world.people("ann")
    message = world.send(
        ann, "order_shipped", purpose="transactional", data={"order_id": "1", "tracking_url": "https://x"}
    )
    world.recorder.script = [InDoubt("read_timeout")]
    world.work()
    assert world.message(message.message_id).state == "queued"
    world.clock.advance(minutes=1)
    world.work()
    assert (len(world.recorder.calls), world.message(message.message_id).state) == (2, "accepted")
    world.close()


def _purposes() -> dict[str, dict[str, bool]]:
    return {"marketing": {"needs_consent": True, "is_capped": True}}


def test_a_worker_that_died_leaves_a_message_in_doubt(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann)
    claimed = _claim(world)
    with claimed.settling() as settling:
        world.dispatcher._start(settling, claimed)
    assert world.message(message.message_id).state == "sending"
    world.clock.advance(minutes=3)
    world.work()
    assert world.recorder.calls == []
    found = world.tracked(message)
    assert (found.message.state, found.message.reason) == ("unknown", "worker_died")
    assert [one.outcome for one in found.attempts] == ["in_doubt"]


def test_a_worker_that_was_too_slow_still_reports_what_it_did(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann)
    slow = _claim(world)
    with slow.settling() as settling:
        ready = world.dispatcher._start(settling, slow)
    world.clock.advance(minutes=3)
    world.work()
    assert world.message(message.message_id).state == "unknown"
    rendered, _ = world.dispatcher._callers.render_all(ready, world.clock)
    ended = world.dispatcher._callers.call_all(rendered, world.clock)
    with slow.settling() as settling:
        world.dispatcher._end(settling, ended, slow)
    assert world.message(message.message_id).state == "accepted"
    assert len(world.recorder.ledger) == 1


def test_a_slow_worker_that_was_refused_leaves_the_message_to_be_sent(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann)
    slow = _claim(world)
    with slow.settling() as settling:
        ready = world.dispatcher._start(settling, slow)
    world.clock.advance(minutes=3)
    world.work()
    world.recorder.script = [Retry("http_503")]
    rendered, _ = world.dispatcher._callers.render_all(ready, world.clock)
    ended = world.dispatcher._callers.call_all(rendered, world.clock)
    with slow.settling() as settling:
        world.dispatcher._end(settling, ended, slow)
    assert world.message(message.message_id).state == "queued"
    world.clock.advance(minutes=1)
    world.work()
    assert (world.message(message.message_id).state, len(world.recorder.ledger)) == ("accepted", 1)


def _claim(world: World) -> Batch:
    kind = world.dispatcher.kind()
    with world.store.write() as connection:
        claim = queue.claim(connection, SEND, kind.batch_size, kind.lease, world.clock())
    return Batch(kind, world.store, claim.token, claim.items, world.clock(), world.clock, lambda: 0.5)


GATES = (
    # what is said between decision and dispatch, the reason
    ("opt_out", "withdrawn"),
    ("stop", "stop"),
)


@pytest.mark.parametrize(("said", "reason"), GATES)
def test_what_is_said_after_the_decision_counts(world: World, said: str, reason: str) -> None:
    [ann] = world.people("ann")
    message = world.send(ann, at=NOW + timedelta(hours=1))
    world.clock.advance(minutes=30)
    getattr(world, said)("ann", "email")
    world.clock.advance(minutes=30)
    world.work()
    assert world.recorder.calls == []
    found = world.message(message.message_id)
    assert (found.state, found.reason) == ("suppressed", reason)


def test_what_is_said_before_the_calls_counts(world: World) -> None:
    check_stopped_at(world, "_look_again", before=True)


@pytest.mark.backends("postgresql")
def test_what_is_said_before_the_attempt_is_committed_counts(world: World) -> None:
    check_stopped_at(world, "_start", before=False)


def check_stopped_at(world: World, step: str, *, before: bool) -> None:
    """Ann opts out before or after a step of the dispatcher, and Bob does not."""
    ann, bob = (world.send(one, channels=("email",)) for one in world.people("ann", "bob"))
    usual = getattr(world.dispatcher, step)

    def with_an_opt_out(*given: Any) -> Any:
        if before:
            world.opt_out("ann", "email")
        done = usual(*given)
        if not before:
            world.opt_out("ann", "email")
        return done

    setattr(world.dispatcher, step, with_an_opt_out)
    world.work()
    assert [one.message_id for one in world.recorder.calls] == [bob.message_id]
    found = world.tracked(ann)
    assert (found.message.state, found.message.reason) == ("suppressed", "withdrawn")
    assert [(one.outcome, one.error) for one in found.attempts] == [("refused", "withdrawn")]


def test_a_message_that_cannot_be_rendered_does_not_hold_up_the_others(world: World) -> None:
    ann, bob = (world.send(one, channels=("email",)) for one in world.people("ann", "bob"))
    usual = calling.render

    def render(content: Any, channel: str, values: Any, brand: Any) -> Any:
        if values.person["first_name"] == "Ann":
            raise ZeroDivisionError
        return usual(content, channel, values, brand)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calling, "render", render)
        world.work()
    assert [one.message_id for one in world.recorder.calls] == [bob.message_id]
    found = world.message(ann.message_id)
    assert (found.state, found.reason) == ("failed", "defect_ZeroDivisionError")


def test_without_the_store_nobody_is_called_and_nothing_is_in_doubt(world: World) -> None:
    [ann] = world.people("ann")
    message, usual = world.send(ann, channels=("email",)), world.dispatcher._stopped

    def out_of_reach(*_: Any) -> Any:
        world.dispatcher._stopped = usual  # type: ignore[method-assign]
        raise Unavailable("the store is out of reach")

    world.dispatcher._stopped = out_of_reach  # type: ignore[method-assign]
    world.work()
    found = world.message(message.message_id)
    assert (found.state, found.reason, world.recorder.calls) == ("queued", "store_unavailable", [])
    world.clock.advance(minutes=5)
    world.work()
    assert (world.message(message.message_id).state, len(world.recorder.ledger)) == ("accepted", 1)


def test_an_unsent_message_no_longer_counts_against_caps(world: World) -> None:
    [ann] = world.people("ann")
    first, second, third = (world.send(ann, channels=("email",), deadline=NOW + timedelta(hours=2)) for _ in range(3))
    assert [one.state for one in (first, second, third)] == ["queued", "queued", "refused"]
    assert third.reason == "email_per_day_past_deadline"
    with world.store.write() as connection:
        cancel(connection, second.message_id, "shop", NOW)
    assert world.send(ann, channels=("email",), deadline=NOW + timedelta(hours=2)).state == "queued"


def test_cancelling(world: World) -> None:
    [ann] = world.people("ann")
    message = world.send(ann, at=NOW + timedelta(hours=1))
    with world.store.write() as connection:
        assert cancel(connection, message.message_id, "shop", NOW).state == "cancelled"
        assert cancel(connection, message.message_id, "shop", NOW).state == "cancelled"
    world.clock.advance(hours=1)
    world.work()
    assert world.recorder.calls == []
    sent = world.send(ann)
    world.work()
    with pytest.raises(CannotCancel, match="the message is accepted"), world.store.write() as connection:
        cancel(connection, sent.message_id, "shop", NOW)


def test_one_bad_message_leaves_its_batch_alone(world: World) -> None:
    people = world.people("ann", "bob", "cleo")
    sent = [world.send(one, channels=("email",)) for one in people]
    world.recorder.script = [Refused("http_400_bad_address")]
    world.work()
    states = sorted(world.message(one.message_id).state for one in sent)
    assert states == ["accepted", "accepted", "failed"]
    assert len(world.recorder.calls) == 3


BAD = (
    # what is wrong, the problem
    ({"purpose": "advertising"}, "unknown purpose. Purposes are marketing, transactional"),
    ({"deadline": NOW}, "the deadline has passed"),
    ({"data": {"x": 1}}, "a value that the template does not know"),
    ({"content": Inline(text="hi"), "channels": ("email",)}, "no words for any of the channels"),
    ({"content": Inline(text="x" * 5_000)}, "at most"),
)


@pytest.mark.parametrize(("wrong", "problem"), BAD)
def test_what_is_wrong_by_itself_writes_nothing(world: World, wrong: dict[str, object], problem: str) -> None:
    [ann] = world.people("ann")
    with pytest.raises(InputRefused) as refused:
        world.send(ann, **wrong)
    assert problem in refused.value.line()
    assert world.all_messages() == []


def test_data_of_another_shape_than_the_example_write_nothing(world: World) -> None:
    [ann] = world.people("ann")
    needs = {"items": {"example": [{"name": "a"}], "longest": 200}}
    words = {"en": {"sms": "{% for i in data.items %}{{ i.name }}{% endfor %}"}}
    template = Template.model_validate({"title": "T", "needs": needs, "languages": words})
    content = compile_template("listed", template, world.library.brand)
    for items in ([{"x": 1}], ["a"], [1], [], [{"name": None}]):
        with pytest.raises(InputRefused, match=r"data\.items"):
            world.send(ann, content=content, data={"items": items})
    assert world.all_messages() == []
    assert world.send(ann, content=content, data={"items": [{"name": "Rope"}]}).state == "queued"


def test_nobody_knows_the_person(world: World) -> None:
    message = world.send("prf_" + "Z" * 26)
    assert (message.state, message.reason, message.profile_id) == ("refused", "unknown_person", None)


def test_an_address_that_is_gone_is_not_tried_again(world: World) -> None:
    [ann] = world.people("ann")
    world.send(ann, channels=("push",))
    world.recorder.script = [Refused("http_404_UNREGISTERED", is_address_gone=True)]
    world.work()
    again = world.send(ann, channels=("push",))
    assert (again.state, again.reason) == ("refused", "hard_bounce")


def test_what_raises_leaves_its_batch_alone(world: World) -> None:
    people = world.people("ann", "bob", "cleo")
    sent = [world.send(one, channels=("email",)) for one in people]
    usual = world.recorder.send

    def raises_once(dispatch: Dispatch) -> Outcome:
        if dispatch.message_id == sent[1].message_id:
            raise OSError("no space left")
        return usual(dispatch)

    world.recorder.send = raises_once  # type: ignore[method-assign]
    world.work()
    assert [world.message(one.message_id).state for one in sent] == ["accepted", "unknown", "accepted"]
    assert world.message(sent[1].message_id).reason == "defect_OSError"


def test_a_purpose_that_the_policy_has_lost_ends_its_messages(store: Store) -> None:
    world = World(store)
    [ann] = world.people("ann")
    message = world.send(ann)
    world.close()
    world = World(store, policy=policy(purposes={"other": {"needs_consent": True, "is_capped": True}}))
    world.work()
    found = world.message(message.message_id)
    assert (found.state, found.reason) == ("suppressed", "unknown_purpose")
    world.close()
