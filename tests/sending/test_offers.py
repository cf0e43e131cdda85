"""Nobody gets two prices for one thing."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from cdp.content.compiled import compile_template
from cdp.content.liquid import ContentRefused
from cdp.content.model import Offer, Template
from cdp.content.rendering import Inline
from cdp.delivery import Dispatch, Email, Outcome, Retry
from cdp.sending.withdrawing import cancel
from cdp.store import Store
from tests.cdp.deciding import policy
from tests.sending.world import NOW, World

UNTIL = NOW + timedelta(days=30)
SKIS = {"scope": "skis", "until": UNTIL}
DEAR = Offer(**SKIS, price=Decimal("499.00"), currency="CHF")
CHEAP = Offer(**SKIS, price=Decimal("399.00"), currency="CHF")
DATA = {"order_id": "1", "tracking_url": "https://x"}
BOOTS = Offer(scope="boots", price=Decimal("99.00"), currency="CHF", until=UNTIL)


def with_rule(store: Store, rule: str) -> World:
    caps = {"all": {"per_day": 50}}
    return World(store, policy=policy(offers={"on_conflict": rule}, frequency_caps=caps))


def test_other_terms_for_the_same_thing_are_refused_and_name_the_message(store: Store) -> None:
    world = with_rule(store, "block")
    [ann, bob] = world.people("ann", "bob")
    first = world.send(ann, offer=DEAR)
    second = world.send(ann, offer=CHEAP)
    assert (first.state, second.state, second.reason) == ("queued", "refused", "other_terms_claimed")
    assert [world.send(ann, offer=one).state for one in (DEAR, BOOTS)] == ["queued", "queued"]
    assert world.send(bob, offer=CHEAP).state == "queued"
    world.close()


def test_a_claim_ends_with_its_offer_or_its_message(store: Store) -> None:
    world = with_rule(store, "block")
    [ann, bob] = world.people("ann", "bob")
    first = world.send(ann, offer=DEAR, at=NOW + timedelta(hours=1))
    with store.write() as connection:
        cancel(connection, first.message_id, "shop", NOW)
    assert world.send(ann, offer=CHEAP).state == "queued"
    world.send(bob, offer=DEAR)
    world.clock.advance(days=31)
    later = Offer(scope="skis", price=Decimal("399.00"), currency="CHF")
    assert world.send(bob, offer=later).state == "queued"
    assert world.send(bob, offer=DEAR).reason == "offer_has_ended"
    world.close()


def test_first_terms_can_stand_in_the_newer_message(store: Store) -> None:
    world = with_rule(store, "keep_first_terms")
    [ann] = world.people("ann")
    for discount in ("0.3", "0.1"):
        world.send(ann, "spring_sale", offer=Offer(scope="spring", discount=Decimal(discount), until=UNTIL))
    world.work()
    subjects = [one.content.subject for one in world.recorder.ledger if isinstance(one.content, Email)]
    assert subjects == ["30% off the spring collection"] * 2
    world.close()


def test_the_newer_can_supersede_the_older(store: Store) -> None:
    world = with_rule(store, "supersede")
    [ann, bob] = world.people("ann", "bob")
    older = world.send(ann, offer=DEAR, at=NOW + timedelta(hours=1))
    newer = world.send(ann, offer=CHEAP)
    assert newer.state == "queued"
    found = world.message(older.message_id)
    assert (found.state, found.reason) == ("cancelled", "superseded")
    sent = world.send(bob, offer=DEAR)
    world.work()
    assert world.send(bob, offer=CHEAP).state == "queued"
    assert world.message(sent.message_id).state == "accepted"
    world.close()


@pytest.mark.parametrize("rule", ["block", "keep_first_terms", "supersede"])
def test_three_campaigns_at_once_leave_one_price_each(store: Store, rule: str) -> None:
    world = with_rule(store, rule)
    people = world.people(*(f"person{number}" for number in range(40)))
    prices = [Offer(**SKIS, price=Decimal(price), currency="CHF") for price in (100, 200, 300)]
    asked = [world.wanted(one, "order_shipped", offer=price, data=DATA) for one in people for price in prices]
    world.send_all(*asked)
    world.work()
    shown: dict[str, set[str]] = {}
    for one in world.all_messages():
        if one.state == "accepted":
            shown.setdefault(str(one.profile_id), set()).add(json.loads(str(one.offer))["price"])
    assert len(shown) == 40
    assert {len(prices) for prices in shown.values()} == {1}
    world.close()


def test_an_offer_superseded_while_its_message_is_in_flight_is_not_tried_again(store: Store) -> None:
    world = with_rule(store, "supersede")
    [ann] = world.people("ann")
    older, newer, usual = world.send(ann, offer=DEAR), [], world.recorder.send

    def refused_for_now(_dispatch: Dispatch) -> Outcome:
        world.recorder.send = usual  # type: ignore[method-assign]
        newer.append(world.send(ann, offer=CHEAP))
        return Retry("http_503")

    world.recorder.send = refused_for_now  # type: ignore[method-assign]
    for _ in range(2):
        world.work()
        world.clock.advance(minutes=1)
    assert [one.message_id for one in world.recorder.ledger] == [one.message_id for one in newer]
    found = world.message(older.message_id)
    assert (found.state, found.reason) == ("suppressed", "other_terms_claimed")
    world.close()


MERGED = (
    # the rule, the states of the older and the newer message of two people who became one before they were sent
    ("block", ["accepted", "suppressed"]),
    ("keep_first_terms", ["accepted", "suppressed"]),
    ("supersede", ["suppressed", "accepted"]),
)


@pytest.mark.parametrize(("rule", "states"), MERGED)
def test_people_who_have_become_one_before_their_messages_are_sent_get_one_price(
    store: Store, rule: str, states: list[str]
) -> None:
    world = with_rule(store, rule)
    [ann, bob] = world.people("ann", "bob")
    sent = []
    for one, offer in ((bob, DEAR), (ann, CHEAP)):
        sent.append(world.send(one, offer=offer, at=NOW + timedelta(hours=1)))
        world.clock.advance(minutes=1)
    world.merge("ann", "bob")
    world.clock.advance(hours=1)
    world.work()
    assert [world.message(one.message_id).state for one in sent] == states
    world.close()


@pytest.mark.parametrize("is_refused_for_now", [False, True])
def test_of_people_who_have_become_one_the_terms_that_they_got_stand(store: Store, *, is_refused_for_now: bool) -> None:
    world = with_rule(store, "keep_first_terms")
    [ann, bob] = world.people("ann", "bob")
    if is_refused_for_now:
        world.recorder.script = [Retry("http_503", is_providers=False)]
    dear, cheap, other = (Offer(**SKIS, discount=Decimal(discount)) for discount in ("0.1", "0.3", "0.2"))
    older = world.send(bob, "spring_sale", offer=dear, at=NOW + timedelta(minutes=20))
    world.clock.advance(minutes=1)
    newer = world.send(ann, "spring_sale", offer=cheap)
    world.work()
    world.merge("ann", "bob")
    world.clock.advance(minutes=30)
    world.work()
    later = world.send(ann, "spring_sale", offer=other)
    world.work()
    found = [world.message(one.message_id) for one in (older, newer, later)]
    stands = older if is_refused_for_now else newer
    assert {one.message_id for one in found if one.state == "accepted"} == {stands.message_id, later.message_id}
    assert (
        json.loads(str(world.message(later.message_id).offer))["discount"] == json.loads(str(stands.offer))["discount"]
    )
    world.close()


def test_one_price_in_two_spellings_is_one(store: Store) -> None:
    world = with_rule(store, "block")
    [ann] = world.people("ann")
    spellings = [("skis", Decimal("10")), ("skis", Decimal("10.0")), (" Skis ", Decimal("10.00"))]
    sent = [
        world.send(
            ann, content=Inline(subject="Skis", text="now"), offer=Offer(scope=scope, price=price, currency="CHF")
        )
        for scope, price in spellings
    ]
    assert [one.state for one in sent] == ["queued"] * 3
    world.close()


LOOK_THE_SAME = (
    *("shoes", "Shoes", " shoes ", "ｓｈｏｅｓ", "SHOES", "shoes\u200b", "sh\u00adoes", "\ufeffshoes", "sho\u200des"),
    *("\u202eshoes\u202c", "shoes\ufe0f", "sho\u034fes", "shoes\u3164", "shoes\u00a0", "\u2003shoes\n"),
)


@pytest.mark.parametrize("scope", LOOK_THE_SAME)
def test_scopes_that_look_the_same_are_one(scope: str) -> None:
    found = Offer(scope=scope, discount=Decimal("0.1"))
    assert found.scope == "shoes"
    assert Offer(**found.shown).scope == found.scope


def test_scopes_of_several_words_and_languages_are_one_in_each_spelling() -> None:
    for one, other in (("hiking  boots", "Hiking\u3000boots"), ("Straße", "STRASSE"), ("cafe\u0301", "CAFÉ")):
        assert Offer(scope=one, discount=Decimal("0.1")).scope == Offer(scope=other, discount=Decimal("0.1")).scope


@pytest.mark.parametrize("scope", ["\u200b", " \u00ad ", "\ufdfa" * 200])
def test_a_scope_that_nobody_can_read_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="from 1 to 200 characters that are seen"):
        Offer(scope=scope, discount=Decimal("0.1"))


def test_an_offer_is_made_within_its_period(store: Store) -> None:
    world = with_rule(store, "block")
    [ann] = world.people("ann")
    data = {"order_id": "1", "tracking_url": "https://x"}
    early = DEAR.model_copy(update={"starts_at": NOW + timedelta(days=1)})
    assert world.send(ann, "order_shipped", offer=early, data=data).reason == "offer_has_not_begun"
    short = DEAR.model_copy(update={"ends_at": NOW + timedelta(minutes=5)})
    late = world.send(ann, "order_shipped", offer=short, data=data, at=NOW + timedelta(minutes=6))
    assert late.reason == "offer_has_ended"
    assert world.send(ann, "order_shipped", offer=short, data=data).expires_at == NOW + timedelta(minutes=5)
    world.close()


def test_first_terms_stand_only_where_the_message_can_show_them(store: Store) -> None:
    world = with_rule(store, "keep_first_terms")
    [ann, bob] = world.people("ann", "bob")
    text = Inline(subject="Skis", text="for 399")
    assert [world.send(ann, content=text, offer=one).state for one in (DEAR, CHEAP)] == ["queued", "refused"]
    spring = {"scope": "spring_collection", "until": UNTIL}
    world.send(bob, content=text, offer=Offer(**spring, price=Decimal(10), currency="CHF"))
    assert world.send(bob, "spring_sale").reason == "other_terms_claimed"
    with pytest.raises(ContentRefused, match="the template's offer is a discount"):
        world.send(bob, "spring_sale", offer=Offer(scope="x", price=Decimal(10), currency="CHF"))
    world.close()


SHOWN = (
    # the words of a template by language, whether it can say other terms than its own
    ({"en": {"sms": "{{ offer.discount | times: 100 | round }}% off"}}, True),
    ({"en": {"sms": "{% assign off = offer.discount | times: 100 %}{{ off | round }}% off"}}, True),
    (
        {"en": {"sms": "{{ offer.discount | times: 100 | round }}% off", "push": {"title": "Spring", "body": "Hi"}}},
        True,
    ),
    ({"en": {"sms": "Spring is here"}}, False),
    ({"en": {"sms": "30% off, only for you"}}, False),
    ({"en": {"sms": "{{ 30 }}% off"}}, False),
    ({"en": {"sms": "{{ data.share }}% off"}}, False),
    ({"en": {"sms": "Until {{ offer.until }}"}}, False),
    ({"en": {"sms": "{{ offer.discount }} off"}, "de": {"sms": "30 % Rabatt"}}, False),
    ({"en": {"sms": "{{ offer.discount }} off", "push": {"title": "Half price", "body": "Hi"}}}, False),
)


@pytest.mark.parametrize(("languages", "is_adaptable"), SHOWN)
def test_first_terms_stand_only_in_templates_that_say_the_terms_of_their_offer(
    store: Store, languages: dict[str, object], *, is_adaptable: bool
) -> None:
    world = with_rule(store, "keep_first_terms")
    [ann] = world.people("ann")
    world.send(ann, "spring_sale", offer=Offer(scope="x", discount=Decimal("0.1"), until=UNTIL))
    template = Template.model_validate({"title": "T", "needs": {"share": {"example": "30"}}, "languages": languages})
    content = compile_template("other", template, world.tools.library.brand)
    data = {"share": "30"}
    found = world.send(ann, content=content, data=data, offer=Offer(scope="x", discount=Decimal("0.3"), until=UNTIL))
    assert found.reason == (None if is_adaptable else "other_terms_claimed")
    world.close()
