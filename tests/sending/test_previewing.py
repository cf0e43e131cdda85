"""A preview shows what would go out."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from cdp.content.model import Offer
from cdp.decision.log import rehearse
from cdp.delivery import ChatTemplate, Email, Text
from cdp.sending.accepting import Wanted, asking
from cdp.sending.previewing import Preview, previews
from cdp.store import Store
from tests.cdp.deciding import policy
from tests.sending.world import NOW, World

UNTIL = NOW + timedelta(days=30)


def preview(world: World, wanted: Wanted, *, is_shown: bool = True) -> dict[str, Preview]:
    now = world.clock()
    asked = asking(wanted, world.library, world.policy, world.tools.post.channels, now)
    with world.store.read() as connection:
        [decision] = rehearse(connection, [asked.asked], world.policy, now)
        found = previews(connection, asked, decision, world.tools, now, shows_person=is_shown)
    return {one.channel: one for one in found}


def content_of(previewed: Preview) -> object:
    assert previewed.rendered
    return previewed.rendered.content


@pytest.mark.backends("sqlite")
def test_a_preview_is_what_goes_out_but_for_the_link(store: Store) -> None:
    world = World(store)
    [ann] = world.people("ann")
    before = preview(world, world.wanted(ann))
    for channel in ("email", "sms", "push"):
        world.send(ann, channels=(channel,))
    world.work()
    sent = {one.channel: one.content for one in world.recorder.ledger}
    assert [content_of(before[channel]) for channel in ("sms", "push")] == [sent["sms"], sent["push"]]
    shown, mail = content_of(before["email"]), sent["email"]
    assert isinstance(shown, Email) and isinstance(mail, Email)
    assert (shown.subject, shown.headers.keys()) == (mail.subject, mail.headers.keys())
    assert 0.9 < len(shown.html) / len(mail.html) < 1.1
    world.close()


@pytest.mark.backends("sqlite")
def test_the_terms_in_force_are_shown(store: Store) -> None:
    world = World(store, policy=policy(offers={"on_conflict": "keep_first_terms"}))
    [ann] = world.people("ann")
    first, later = (Offer(scope="spring", discount=Decimal(one), until=UNTIL) for one in ("0.3", "0.1"))
    for offer in (first, later):
        wanted = world.wanted(ann, "spring_sale", offer=offer, channels=("email",))
        mail = content_of(preview(world, wanted)["email"])
        assert isinstance(mail, Email) and mail.subject == "30% off the spring collection"
        world.send(ann, "spring_sale", offer=offer, channels=("email",))
    world.close()


@pytest.mark.backends("sqlite")
def test_an_offer_has_the_period_of_its_template_where_the_sender_says_nothing(store: Store) -> None:
    world = World(store)
    [ann] = world.people("ann")
    sent = world.send(ann, "spring_sale", offer=Offer(scope="spring", discount=Decimal("0.3")))
    assert json.loads(str(sent.offer)) == {
        "scope": "spring",
        "discount": "0.3",
        "from": "2026-03-01T00:00:00+00:00",
        "until": "2027-03-31T22:00:00+00:00",
    }
    world.close()


@pytest.mark.backends("sqlite")
def test_a_chat_is_open_only_after_the_person_has_written(store: Store) -> None:
    world = World(store)
    [ann] = world.people("ann")
    assert isinstance(content_of(preview(world, world.wanted(ann))["whatsapp"]), ChatTemplate)
    assert isinstance(content_of(preview(world, world.wanted(ann), is_shown=False)["whatsapp"]), Text)
    world.close()
