"""Consent: how statements combine, what events do to consent, suppressions, the hash chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp import fields
from cdp.consent import (
    ConsentRules,
    ContactPoint,
    Entry,
    Head,
    Statement,
    Suppression,
    contact_point_id,
    effects_of,
    first_break,
    fold,
    seal,
)
from cdp.consent.effects import effect_table
from cdp.sources import FailureWords

EMAIL = ContactPoint("email", "ann@example.com")
OTHER_EMAIL = ContactPoint("email", "ann@example.org")
PHONE = ContactPoint("phone", "+14155550100")
CUSTOMER = ContactPoint("customer_id", "crm:7")
DEVICE = ContactPoint("device_token", "token")
POINTS = {"email": EMAIL, "other": OTHER_EMAIL, "phone": PHONE, "customer": CUSTOMER, "device": DEVICE}

START = datetime(2026, 1, 1, tzinfo=UTC)
NO_RULES = ConsentRules()


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def chain(*statements: Statement, recorded_at: datetime | None = None) -> list[Entry]:
    """The ledger entries of statements, recorded in this order: one an hour, or all at the same time."""
    entries: list[Entry] = []
    head = Head(0, None)
    for number, statement in enumerate(statements):
        at = recorded_at or day(100) + timedelta(hours=number)
        entries.append(seal(statement, entry_id=statement.entry_id or f"e{number}", recorded_at=at, after=head))
        head = Head(entries[-1].seq, entries[-1].entry_hash)
    return entries


def stated(text: str, *, on: int, entry_id: str | None = None) -> Statement:
    """`point channel state [topic:x | scope:all] [for:transactional]`, stated on that day."""
    point, channel, state, *more = text.split()
    options = dict(option.split(":") for option in more)
    topic = options.get("topic")
    return Statement(
        contact_point_id=POINTS[point].id,
        contact_point_type=POINTS[point].type,
        channel=channel,
        purpose=options.get("for", "marketing"),
        state=state,
        occurred_at=day(on),
        source="test",
        actor="test",
        topic=topic,
        scope=options.get("scope", "topic" if topic else "channel"),
        entry_id=entry_id,
    )


def standing(
    entries: list[Entry],
    point: str = "email",
    channel: str = "email",
    *,
    topic: str | None = None,
    purpose: str = "marketing",
    on: int = 99,
    rules: ConsentRules = NO_RULES,
    region: str | None = None,
) -> str:
    found = fold(
        entries,
        contact_point_id=POINTS[point].id,
        channel=channel,
        purpose=purpose,
        topic=topic,
        as_of=day(on),
        rules=rules,
        region=region,
    )
    assert found.allowed == (found.state == "granted" or purpose != "marketing")
    return found.state


@pytest.mark.parametrize(
    ("statements", "topic", "expected"),
    [
        ([], None, "missing"),
        (["email email granted"], None, "granted"),
        (["email email granted"], "news", "granted"),
        (["email email pending"], None, "pending"),
        (["email email granted", "email email pending"], None, "pending"),
        (["email email denied"], None, "denied"),
        (["email email granted", "email email withdrawn"], None, "withdrawn"),
        (["email email withdrawn", "email email granted"], None, "granted"),
        # A topic is narrower than its channel.
        (["email email granted topic:news"], "news", "granted"),
        (["email email granted topic:news"], "offers", "missing"),
        (["email email granted topic:news"], None, "missing"),
        (["email email granted topic:news", "email email withdrawn"], "news", "withdrawn"),
        (["email email withdrawn", "email email granted topic:news"], "news", "granted"),
        (["email email granted", "email email withdrawn topic:news"], "news", "withdrawn"),
        (["email email granted", "email email withdrawn topic:news"], None, "granted"),
        (["email email withdrawn topic:news", "email email granted"], "news", "withdrawn"),
        (["email email withdrawn topic:news", "email email granted topic:news"], "news", "granted"),
        # Opt-outs from everything.
        (["email email granted topic:news", "email email withdrawn scope:all"], "news", "withdrawn"),
        (["email email granted", "phone sms withdrawn scope:all"], None, "withdrawn"),
        (["phone sms withdrawn scope:all", "email email granted"], None, "granted"),
        (["email email granted scope:all"], None, "granted"),
        # Consent belongs to the contact point: the grants and opt-outs of another one do not apply.
        (["other email granted"], None, "missing"),
        (["email email granted", "other email withdrawn"], None, "granted"),
        (["email email granted", "phone sms withdrawn"], None, "granted"),
        (["phone sms granted scope:all"], None, "missing"),
        # A statement without an address is about the person.
        (["email email granted", "customer email denied"], None, "denied"),
        (["customer email granted"], None, "missing"),
        (["email email granted", "customer sms denied"], None, "granted"),
        # Other purposes.
        (["email email granted for:transactional"], None, "missing"),
        (["email email granted", "email email withdrawn for:transactional"], None, "granted"),
    ],
)
def test_the_consent_in_force(statements: list[str], topic: str | None, expected: str) -> None:
    entries = chain(*(stated(text, on=number) for number, text in enumerate(statements)))
    assert standing(entries, topic=topic) == expected


def test_transactional_messages_need_no_consent() -> None:
    assert standing([], purpose="transactional") == "missing"
    found = fold(
        [],
        contact_point_id=EMAIL.id,
        channel="email",
        purpose="transactional",
        topic=None,
        as_of=START,
        rules=NO_RULES,
    )
    assert found.allowed


def test_the_last_occurrence_counts_not_the_last_arrival() -> None:
    assert standing(chain(stated("email email withdrawn", on=5), stated("email email granted", on=3))) == "withdrawn"


def later(statement: Statement, **by: float) -> Statement:
    return replace(statement, occurred_at=statement.occurred_at + timedelta(**by))


def test_of_two_statements_at_the_same_time_the_later_recorded_one_counts() -> None:
    withdrawn = later(stated("email email withdrawn", on=5), milliseconds=1)
    granted = later(stated("email email granted", on=5), milliseconds=1)
    assert standing(chain(withdrawn, granted)) == "granted"
    assert standing(chain(granted, withdrawn)) == "withdrawn"


@pytest.mark.parametrize(
    ("opt_out_after", "grant_after", "expected"),
    [
        # An opt-out in whole seconds is a second long; a grant in the same second cannot be told apart from it.
        *((0, 0, "withdrawn"), (0, 0.3, "withdrawn"), (0, 0.9, "withdrawn"), (0, 1, "granted")),
        # A grant is not.
        *((0.3, 0, "withdrawn"), (0.3, 0.2, "withdrawn"), (0.3, 0.4, "granted")),
    ],
)
@pytest.mark.parametrize("opt_out", ["withdrawn", "denied"])
def test_a_moment_of_whole_seconds_is_a_second_long(
    opt_out: str, opt_out_after: float, grant_after: float, expected: str
) -> None:
    out = later(stated(f"email email {opt_out}", on=5), seconds=opt_out_after)
    granted = later(stated("email email granted", on=5), seconds=grant_after)
    for order in ([out, granted], [granted, out]):
        assert standing(chain(*order)) == (opt_out if expected == "withdrawn" else expected)


def test_a_stop_in_whole_seconds_outlasts_a_start_in_the_same_second() -> None:
    stop = Suppression(PHONE.id, "sms", "stop", "twilio", day(5))
    lifted = replace(stop, lifted_at=day(5) + timedelta(milliseconds=300))
    assert lifted.is_active(day(6))
    assert not replace(lifted, lifted_at=day(5) + timedelta(seconds=1)).is_active(day(6))


def test_contradicting_statements_are_not_a_grant() -> None:
    both = [later(stated(f"email email {state}", on=5), milliseconds=1) for state in ("granted", "withdrawn")]
    assert standing(chain(*both, recorded_at=day(6))) == "conflicting"
    assert standing(chain(*both, stated("email email granted", on=6), recorded_at=day(6))) == "granted"


@pytest.mark.parametrize(("on", "expected"), [(0, "missing"), (1, "granted"), (4, "granted"), (5, "withdrawn")])
def test_as_of_gives_the_state_in_force_at_that_time(on: int, expected: str) -> None:
    entries = chain(stated("email email withdrawn", on=5), stated("email email granted", on=1))
    assert standing(entries, on=on) == expected


@pytest.mark.parametrize(
    ("region", "channel", "expected"),
    [
        (None, "whatsapp", "withdrawn"),
        ("US", "whatsapp", "withdrawn"),
        ("DE", "whatsapp", "granted"),
        ("DE", "email", "withdrawn"),
        ("US", "email", "granted"),
    ],
)
def test_regional_rules_decide_how_far_an_opt_out_reaches(region: str | None, channel: str, expected: str) -> None:
    rules = ConsentRules.model_validate(
        {"opt_out_reaches": {"sms": ["whatsapp"]}, "regions": {"DE": {"sms": ["email", "push"]}}}
    )
    entries = chain(
        stated("phone whatsapp granted", on=1), stated("email email granted", on=1), stated("phone sms withdrawn", on=2)
    )
    point = "phone" if channel == "whatsapp" else "email"
    assert standing(entries, point, channel, rules=rules, region=region) == expected


def test_rules_accept_only_known_channels_and_country_codes() -> None:
    for wrong in ({"opt_out_reaches": {"fax": []}}, {"regions": {"Germany": {}}}, {"anything": 1}):
        with pytest.raises(ValueError):
            ConsentRules.model_validate(wrong)


CHOICES = st.tuples(
    st.sampled_from(["email", "other", "phone", "customer"]),
    st.sampled_from(["email", "sms"]),
    st.sampled_from(fields.ConsentState.allowed),
    st.sampled_from(["news", "offers"]),
    st.sampled_from(fields.ConsentScope.allowed),
    st.integers(1, 6),
)


def statements_of(choices: list[Any]) -> list[Statement]:
    return [
        Statement(
            contact_point_id=POINTS[point].id,
            contact_point_type=POINTS[point].type,
            channel=channel,
            purpose="marketing",
            state=state,
            occurred_at=day(on),
            source="test",
            actor="test",
            topic=topic if scope == "topic" else None,
            scope=scope,
            entry_id=f"e{number}",
        )
        for number, (point, channel, state, topic, scope, on) in enumerate(choices)
    ]


OWNERS = (("email", "email"), ("phone", "sms"))
QUESTIONS = [(point, channel, topic) for point, channel in OWNERS for topic in (None, "news")]


@given(st.lists(CHOICES, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(choices: list[Any], random: Any) -> None:
    statements = statements_of(choices)
    shuffled = random.sample(statements, len(statements))
    for point, channel, topic in QUESTIONS:
        first, second = (
            standing(chain(*order, recorded_at=day(50)), point, channel, topic=topic)
            for order in (statements, shuffled)
        )
        assert first == second


@given(st.lists(CHOICES, max_size=6), CHOICES)
def test_an_opt_out_never_allows_more(choices: list[Any], another: Any) -> None:
    opt_out = (*another[:2], "withdrawn", *another[3:5], 7)
    before, after = chain(*statements_of(choices)), chain(*statements_of([*choices, opt_out]))
    for point, channel, topic in QUESTIONS:
        if standing(before, point, channel, topic=topic) != "granted":
            assert standing(after, point, channel, topic=topic) != "granted"


@given(st.lists(CHOICES, max_size=6), st.lists(CHOICES, max_size=6))
def test_merging_two_profiles_never_allows_more(ours: list[Any], theirs: list[Any]) -> None:
    """The e-mail's owner and the phone's owner turn out to be one person."""
    own = statements_of([("email", "email", *rest) for _, _, *rest in ours])
    others = statements_of([("phone", "sms", *rest) for _, _, *rest in theirs])
    for topic in (None, "news"):
        if standing(chain(*own, *others), topic=topic) == "granted":
            assert standing(chain(*own), topic=topic) == "granted"


def test_an_opt_out_from_everything_ends_every_grant() -> None:
    entries = chain(
        stated("email email granted", on=1),
        stated("email email granted topic:news", on=2),
        stated("phone sms granted", on=2),
        stated("email email withdrawn scope:all", on=3),
    )
    asked = [*QUESTIONS, ("phone", "whatsapp", None)]
    assert {standing(entries, point, channel, topic=topic) for point, channel, topic in asked} == {"withdrawn"}


def row(channel: str, event_type: str | None, **more: Any) -> dict[str, Any]:
    event = {"event_id": "e" * 32, "channel": channel, "event_type": event_type, "occurred_at": day(3)}
    people = {"email": EMAIL.value, "phone": PHONE.value, "device_token": DEVICE.value}
    return {"source": "test", **(event if event_type else {}), **people, **more}


def consent(channel: str, state: str, topic: str | None = None) -> dict[str, Any]:
    return {
        **{"consent_id": "c" * 32, "consent_channel": channel, "consent_purpose": "marketing", "consent_topic": topic},
        **{"consent_state": state, "consent_scope": "topic" if topic else "channel", "consent_at": day(3)},
    }


@pytest.mark.parametrize(
    ("happened", "states", "suppresses", "lifts"),
    [
        # STOP by SMS: Twilio also reports it as a consent.
        (row("sms", "unsubscribed", **consent("sms", "withdrawn")), ["sms withdrawn channel"], ["sms stop"], []),
        (row("whatsapp", "unsubscribed"), ["whatsapp withdrawn channel"], ["whatsapp stop"], []),
        # In a chat, START comes from the address, which works again.
        (
            row("telegram", "resubscribed", telegram_chat="1111111", **consent("telegram", "granted")),
            ["telegram granted channel"],
            [],
            ["telegram stop", "telegram hard_bounce"],
        ),
        (row("sms", "resubscribed", **consent("sms", "granted")), ["sms granted channel"], [], ["sms stop"]),
        (row("sms", "failed", properties='{"error_code": "21610"}'), [], ["sms stop"], []),
        # Unsubscribing by e-mail: from a list, or altogether.
        (row("email", "unsubscribed"), ["email withdrawn channel"], [], []),
        (
            row("email", "unsubscribed", **consent("email", "withdrawn", "news")),
            ["email withdrawn topic news"],
            [],
            [],
        ),
        (row("sms", "unsubscribed", **consent("sms", "withdrawn", "news")), ["sms withdrawn topic news"], [], []),
        (row("email", "resubscribed"), ["email granted channel"], [], []),
        # Spam complaints.
        (row("email", "complained"), ["email withdrawn channel"], ["email complaint"], []),
        (row("email", "rejected", properties='{"reason": "Spam Reporting Address"}'), [], ["email complaint"], []),
        # Permanent bounces, in the terms of each provider, and temporary ones.
        (row("email", "bounced", properties='{"type": "bounce"}'), [], ["email hard_bounce"], []),
        (row("email", "bounced", properties='{"type": "blocked"}'), [], [], []),
        (row("email", "rejected", properties='{"reason": "Bounced Address"}'), [], ["email hard_bounce"], []),
        (row("email", "bounced"), [], [], []),
        (row("sms", "bounced", properties='{"error_code": "30006"}'), [], ["sms hard_bounce"], []),
        (row("sms", "bounced", properties='{"error_code": 30003}'), [], [], []),
        # Either not on WhatsApp or on an old version: ambiguous.
        (row("whatsapp", "failed", properties='{"error_code": "131026"}'), [], [], []),
        (row("push", "bounced", properties='{"sdk_platform": "IOS"}'), [], ["push hard_bounce"], []),
        (row("email", "delivered"), [], [], ["email hard_bounce"]),
        (row("email", "clicked"), [], [], ["email hard_bounce"]),
        (row("email", "clicked", is_machine=True), [], [], []),
        # Other activity is not consent.
        (row("web", "ordered", properties='{"type": "bounce"}'), [], [], []),
        (row("email", "deferred"), [], [], []),
        (row("email", None, **consent("email", "granted")), ["email granted channel"], [], []),
        # No address to suppress.
        (row("email", "bounced", email=None, properties='{"type": "bounce"}'), [], [], []),
    ],
)
def test_what_an_event_does(
    happened: dict[str, Any], states: list[str], suppresses: list[str], lifts: list[str]
) -> None:
    found = effects_of([happened])
    statements = [f"{s.channel} {s.state} {s.scope} {s.topic or ''}".strip() for s in found.statements]
    assert statements == states
    assert [f"{s.channel} {s.reason}" for s in found.suppressions] == suppresses
    assert [f"{each.channel} {each.reason}" for each in found.lifts] == lifts
    kept = {point.id for point in found.contact_points}
    assert {each.contact_point_id for each in (*found.statements, *found.suppressions)} <= kept


def test_without_words_no_failure_suppresses_an_address() -> None:
    table = [effect for effect in effect_table(FailureWords()) if effect.suppresses and "failed" in effect.event_types]
    assert table and not any(effect.applies("sms", {"error_code": "21610"}) for effect in table)


def test_a_purchase_after_an_opt_out_is_no_consent() -> None:
    rows = [row("email", "unsubscribed"), row("web", "ordered", occurred_at=day(4), event_id="f" * 32)]
    assert standing(chain(*effects_of(rows).statements)) == "withdrawn"


def test_the_entry_id_is_the_id_of_the_consent_or_of_the_event() -> None:
    by_event, by_consent = row("email", "unsubscribed"), row("email", "unsubscribed", **consent("email", "withdrawn"))
    assert [s.entry_id for s in effects_of([by_event, by_consent]).statements] == ["e" * 32, "c" * 32]


@pytest.mark.parametrize(
    ("channel", "known", "kind"),
    [
        ("email", {}, "email"),
        ("sms", {"customer_id": "7"}, "phone"),
        ("email", {"email": None, "customer_id": "7"}, "customer_id"),
        ("push", {"device_token": None}, "email"),
        ("web", {}, "email"),
        ("telegram", {"telegram_chat": "1111111"}, "telegram_chat"),
        ("telegram", {}, "email"),
        ("web", {"email": None, "phone": None, "device_token": None, "messenger_psid": "12544"}, "messenger_psid"),
        ("email", {"email": None, "phone": None, "device_token": None, "anonymous_id": "a"}, "anonymous_id"),
    ],
)
def test_a_statement_belongs_to_the_address_of_its_channel(channel: str, known: dict[str, Any], kind: str) -> None:
    (statement,) = effects_of([row("email", None, **consent(channel, "denied"), **known)]).statements
    assert statement.contact_point_type == kind


def test_customer_ids_of_different_sources_are_different_contact_points() -> None:
    known = {"email": None, "phone": None, "device_token": None, "customer_id": "7"}
    rows = [row("email", None, **consent("email", "denied"), **known) | {"source": name} for name in ("crm", "shop")]
    assert [point.value for point in effects_of(rows).contact_points] == ["crm:7", "shop:7"]


def test_an_event_without_identifiers_states_nothing() -> None:
    unknown = {"email": None, "phone": None, "device_token": None}
    assert effects_of([row("email", "unsubscribed", **unknown)]).statements == []


@pytest.mark.parametrize(
    ("occurred", "lifted", "on", "active"),
    [
        (3, None, 2, False),
        (3, None, 3, True),
        (3, 5, 4, True),
        (3, 5, 5, False),
        (3, 3, 4, True),
        (3, 2, 4, True),
        (None, 5, 6, False),
    ],
)
def test_a_suppression_holds_until_it_is_lifted(
    occurred: int | None, lifted: int | None, on: int, active: bool
) -> None:
    times = [day(number) if number is not None else None for number in (occurred, lifted)]
    assert Suppression(EMAIL.id, "email", "stop", "test", *times).is_active(day(on)) == active


def test_contact_point_ids_depend_on_type_and_value() -> None:
    assert len({contact_point_id(kind, value) for kind in ("email", "phone") for value in ("a", "b")}) == 4
    # The first 128 bits of sha256("email\0ann@example.com"), computed with DuckDB.
    assert contact_point_id("email", "ann@example.com") == "cpt_5XE158Q799NR04EGS9GP03YHDQ"


def test_an_untouched_chain_is_intact() -> None:
    entries = chain(*(stated("email email granted", on=number) for number in range(4)))
    head = Head(4, entries[-1].entry_hash)
    assert first_break(entries, head) is None
    assert entries[0].previous_hash is None
    assert first_break([], Head(0, None)) is None
