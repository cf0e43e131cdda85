"""Decisions: every gate in both directions, the choice among channels, the shape of the answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cdp.consent import contact_point_id
from cdp.decision import Decision, Facts, Fallback, History, Planned, Sent
from tests.cdp.deciding import (
    ANN,
    EMAIL,
    GRANTS,
    NOW,
    PHONE,
    address,
    ann,
    decided,
    entry,
    policy,
    suppressed,
    verdicts,
)

POINT = contact_point_id(*EMAIL)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHT = NOW + 9 * HOUR  # 23:00 in Zürich
MORNING = NOW + 18 * HOUR  # 08:00 in Zürich
ZURICH = "timezone:Europe/Zurich"
FREE = ("frequency_cap", "pass", "under_cap", None)


def case(what: str, facts: Facts, channel: str, last: tuple[str, str, str, str | None], **asked: Any) -> Any:
    """`last` is the last verdict on the channel: gate, verdict, code, evidence."""
    return pytest.param(facts, channel, asked, last, id=what)


def with_entries(*more: Any) -> Facts:
    return ann(entries=(*GRANTS, *more))


def with_suppressions(*found: Any) -> Facts:
    return ann(suppressions=found)


CHATS = (("telegram", ("telegram_chat", "1111111")), ("messenger", ("messenger_psid", "1254477777772919")))
CHATTER = ann(
    addresses=(*ANN, *(address(*point) for _, point in CHATS)),
    entries=tuple(entry(channel, "granted", point=point) for channel, point in CHATS),
)
DENIED = entry("email", "denied", NOW - DAY)
NEWS = entry("email", "withdrawn", NOW, topic="news", scope="topic")
TEXTED = ann(sent=(Sent("m1", "sms", NOW - HOUR),))
BOUNCED = suppressed("email", "hard_bounce")

GATES = [
    case("unknown person", Facts(None), "email", ("resolvable", "fail", "unknown_person", None)),
    case("no address", ann(addresses=ANN[1:]), "email", ("reachable", "fail", "no_address", None)),
    case("a phone alone does not open WhatsApp", ann(), "whatsapp", ("reachable", "fail", "never_met_there", None)),
    case("met on WhatsApp", ann(met_on=("whatsapp",)), "whatsapp", FREE),
    case("a bot writes at any time", CHATTER, "telegram", FREE),
    case("no id on Messenger", ann(), "messenger", ("reachable", "fail", "no_address", None)),
    case("not written on Messenger lately", CHATTER, "messenger", ("reachable", "fail", "chat_is_closed", None)),
    case("written on Messenger", replace(CHATTER, chats_open_until={"messenger": NOW + HOUR}), "messenger", FREE),
    case(
        *("written too long ago by then", replace(CHATTER, chats_open_until={"messenger": NOW + HOUR}), "messenger"),
        ("reachable", "fail", "chat_is_closed", None),
        at=NOW + HOUR,
    ),
    case("WhatsApp takes templates while closed", ann(met_on=("whatsapp",), chats_open_until={}), "whatsapp", FREE),
    *(
        case(why, with_suppressions(suppressed("email", why)), "email", ("suppression", "fail", why, f"why-{why}"))
        for why in ("hard_bounce", "complaint", "erased")
    ),
    case(
        *("suppressed everywhere", with_suppressions(replace(BOUNCED, channel="all")), "email"),
        ("suppression", "fail", "hard_bounce", "why-hard_bounce"),
    ),
    case(
        *("suppressed without an entry", with_suppressions(replace(BOUNCED, entry_id=None)), "email"),
        ("suppression", "fail", "hard_bounce", POINT),
    ),
    case(
        *("suppression binds transactional too", with_suppressions(BOUNCED), "email"),
        ("suppression", "fail", "hard_bounce", "why-hard_bounce"),
        purpose="transactional",
    ),
    case(
        *("suppressed by a clock ahead of ours", with_suppressions(suppressed("sms", "stop", NOW + HOUR)), "sms"),
        ("suppression", "fail", "stop", "why-stop"),
    ),
    case("suppressed elsewhere", with_suppressions(suppressed("sms", "stop")), "email", FREE),
    case("suppressed in the past", with_suppressions(replace(BOUNCED, lifted_at=NOW)), "email", FREE),
    case("nothing stated", ann(entries=()), "email", ("consent", "fail", "missing", None)),
    *(
        case(state, ann(entries=(entry("email", state),)), "email", ("consent", "fail", state, f"email-{state}"))
        for state in ("denied", "withdrawn", "pending")
    ),
    case(
        *("withdrawn later", with_entries(entry("email", "withdrawn", NOW - HOUR)), "email"),
        ("consent", "fail", "withdrawn", "email-withdrawn"),
    ),
    case(
        *("withdrawn by a clock ahead of ours", with_entries(entry("email", "withdrawn", NOW + HOUR)), "email"),
        ("consent", "fail", "withdrawn", "email-withdrawn"),
    ),
    case(
        *("withdrawn from everything, by text", with_entries(entry("sms", "withdrawn", NOW, scope="all")), "email"),
        ("consent", "fail", "withdrawn", "sms-withdrawn"),
    ),
    case("withdrawn by text", with_entries(entry("sms", "withdrawn", NOW)), "email", FREE),
    case(
        *("withdrawn by text, which the policy extends", with_entries(entry("sms", "withdrawn", NOW)), "email"),
        ("consent", "fail", "withdrawn", "sms-withdrawn"),
        rules=policy(consent={"opt_out_reaches": {"sms": ["email"]}}),
    ),
    case(
        *("granted tomorrow", ann(entries=(entry("email", "granted", NOW + DAY),)), "email"),
        ("consent", "fail", "missing", None),
    ),
    case("granted again", with_entries(DENIED, entry("email", "granted", NOW)), "email", FREE),
    case("topic", with_entries(NEWS), "email", ("consent", "fail", "withdrawn", "email-withdrawn"), topic="news"),
    case("another topic", with_entries(NEWS), "email", FREE, topic="offers"),
    case(
        *("transactional needs no consent", ann(entries=()), "email", ("frequency_cap", "pass", "not_capped", None)),
        purpose="transactional",
    ),
    case("too late", ann(), "email", ("deadline", "fail", "deadline_passed", None), deadline=NOW - HOUR),
    case(
        *("quiet until the deadline", ann(), "sms", ("quiet_hours", "fail", "quiet_past_deadline", ZURICH)),
        now=NIGHT,
        deadline=MORNING - timedelta(seconds=1),
    ),
    case("quiet up to the deadline", ann(), "sms", FREE, now=NIGHT, deadline=MORNING),
    case(
        *("quiet for transactional too", ann(), "sms", ("quiet_hours", "fail", "quiet_past_deadline", ZURICH)),
        now=NIGHT,
        deadline=NIGHT + HOUR,
        purpose="transactional",
    ),
    case(
        *("time zone unknown", ann(timezone=None, country=None), "push"),
        ("quiet_hours", "fail", "timezone_unknown", None),
        rules=policy(timezone_unknown="refuse"),
    ),
    case(
        *("capped until the deadline", TEXTED, "sms", ("frequency_cap", "fail", "sms_per_day_past_deadline", "m1")),
        deadline=NOW + 22 * HOUR,
    ),
    case(
        *("capped up to the deadline", TEXTED, "sms", ("frequency_cap", "pass", "put_off_by_sms_per_day", "m1")),
        deadline=NOW + 23 * HOUR,
    ),
    case(
        *("no caps for transactional", TEXTED, "sms", ("frequency_cap", "pass", "not_capped", None)),
        purpose="transactional",
        deadline=NOW + HOUR,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "channel", "asked", "last"), GATES)
def test_a_gate_gives_its_verdict_and_evidence(
    facts: Facts, channel: str, asked: dict[str, Any], last: tuple[str, str, str, str | None]
) -> None:
    decision = decided(facts, channel, **asked)
    assert verdicts(decision)[-1][1:] == last
    assert decision.allowed is (last[1] == "pass")
    answered = (decision.channel, decision.address, decision.contact_point_id, decision.send_at, decision.expires_at)
    assert all(answered) if decision.allowed else set(answered) == {None}
    assert all(reason.verdict == "pass" for reason in decision.reasons[:-1])


def test_gates_are_checked_in_order_and_name_their_evidence() -> None:
    assert verdicts(decided(ann(), "sms")) == [
        (None, "resolvable", "pass", "known", "prf_ann"),
        ("sms", "reachable", "pass", "has_address", contact_point_id(*PHONE)),
        ("sms", "suppression", "pass", "not_suppressed", contact_point_id(*PHONE)),
        ("sms", "consent", "pass", "granted", "grant-sms"),
        ("sms", "quiet_hours", "pass", "not_quiet", ZURICH),
        ("sms", "frequency_cap", "pass", "under_cap", None),
    ]


def test_an_answer_names_address_times_policy_and_clock() -> None:
    decision = decided(ann(), "email", rules=policy(version="of June"))
    assert (decision.channel, decision.address, decision.contact_point_id) == ("email", "ann@example.com", POINT)
    assert (decision.send_at, decision.expires_at, decision.as_of) == (NOW, NOW + HOUR, NOW)
    assert decision.policy_version == "of June"


SECOND = address("email", "ann@example.org")
TWO_EMAILS = (*ANN, SECOND)


def test_the_next_address_is_tried_if_one_fails() -> None:
    grant = entry("email", "granted", point=("email", "ann@example.org"), name="grant-2")
    decision = decided(ann(addresses=TWO_EMAILS, suppressions=(BOUNCED,), entries=(*GRANTS, grant)), "email")
    assert decision.address == "ann@example.org"
    assert [reason.evidence_id for reason in decision.reasons if reason.gate in ("suppression", "consent")] == [
        "why-hard_bounce",
        SECOND.contact_point_id,
        "grant-2",
    ]


def test_consent_for_one_address_does_not_apply_to_another() -> None:
    decision = decided(ann(addresses=TWO_EMAILS, suppressions=(BOUNCED,)), "email")
    assert not decision.allowed
    assert verdicts(decision)[-1] == ("email", "consent", "fail", "missing", None)


def scored(**means: float) -> dict[str, History]:
    """Strong evidence that the channels are answered at these rates."""
    return {channel: History(NOW, 1e6, mean * 1e6, 1_000_000, 0.1) for channel, mean in means.items()}


CHOICES = [
    # the question, the channels in the expected order
    ("best score", {}, ["sms", "email", "push"]),
    ("best score, however long the wait", {"now": NIGHT}, ["sms", "email", "push"]),
    ("urgent: the channels available now", {"now": NIGHT, "urgency": "high"}, ["email", "sms", "push"]),
    ("urgent, and all are available now", {"urgency": "high"}, ["sms", "email", "push"]),
    ("not urgent", {"now": NIGHT, "urgency": "low"}, ["sms", "email", "push"]),
    ("before the deadline", {"now": NIGHT, "deadline": NIGHT + HOUR}, ["email"]),
]


@pytest.mark.parametrize(("what", "asked", "order"), CHOICES, ids=[row[0] for row in CHOICES])
def test_the_best_of_the_allowed_channels_is_chosen(what: str, asked: dict[str, Any], order: list[str]) -> None:
    at_once = {channel: {"when": "failed", "after_hours": 0} for channel in ("email", "sms", "push")}
    facts = ann(history=scored(email=0.1, sms=0.2, push=0.05))
    decision = decided(facts, "push", "email", "sms", rules=policy(fallbacks=at_once), **asked)
    assert [decision.channel, *(fallback.channel for fallback in decision.fallbacks)] == order


@pytest.mark.parametrize("candidates", [("email", "push"), ("push", "email")])
def test_the_first_named_channel_wins_a_tie(candidates: tuple[str, ...]) -> None:
    facts = ann(history=scored(email=0.1, push=0.1))
    assert decided(facts, *candidates).channel == candidates[0]


def test_fallbacks_wait_for_their_delay_and_their_own_quiet_hours() -> None:
    rules = policy(
        fallbacks={
            "push": {"when": "not_delivered", "after_hours": 6},
            "email": {"when": "failed", "after_hours": 12},
        }
    )
    facts = ann(history=scored(push=0.3, email=0.2, sms=0.1))
    decision = decided(facts, "sms", "email", "push", rules=rules)
    assert (decision.channel, decision.send_at) == ("push", NOW)
    # Twelve hours after 20:00 is 08:00, the end of the quiet hours.
    assert decision.fallbacks == (
        Fallback("email", NOW + 6 * HOUR, "not_delivered"),
        Fallback("sms", MORNING, "failed"),
    )
    assert decided(facts, "email", "push", rules=rules, deadline=NOW + 5 * HOUR).fallbacks == ()


def test_a_channel_without_consent_has_a_score_but_an_unreachable_one_has_none() -> None:
    facts = ann(addresses=ANN[:2], entries=(), suppressions=(suppressed("sms", "stop"),), history=scored(email=0.1))
    decision = decided(facts, "email", "sms", "push")
    assert list(decision.scores) == ["email"]
    assert decision.scores["email"].mean == pytest.approx(0.1)
    assert not decision.allowed


def test_an_answer_expires_at_the_deadline_or_when_quiet_hours_begin() -> None:
    def expires(channel: str, **asked: Any) -> Any:
        return decided(ann(), channel, **asked).expires_at

    evening = NOW + 6.5 * HOUR  # 20:30 in Zürich
    assert expires("email", deadline=NOW + HOUR / 2) == NOW + HOUR / 2
    assert expires("sms", now=evening) == evening + HOUR / 2
    assert expires("email", now=evening) == evening + HOUR


def test_a_desired_time_is_awaited_and_one_in_the_past_means_now() -> None:
    assert decided(ann(), at=NOW + 3 * DAY).send_at == NOW + 3 * DAY
    assert decided(ann(), at=NOW - 3 * DAY).send_at == NOW


def test_a_cap_and_then_quiet_hours_delay_a_message() -> None:
    # The cap has room again at 22:00, which is quiet.
    decision = decided(ann(sent=(Sent("m1", "sms", NOW - 16 * HOUR),)), "sms")
    assert decision.send_at == MORNING
    assert verdicts(decision)[-2:] == [
        ("sms", "quiet_hours", "pass", "put_off_by_quiet_hours", ZURICH),
        ("sms", "frequency_cap", "pass", "put_off_by_sms_per_day", "m1"),
    ]


def test_an_earlier_decision_counts_before_its_message_is_sent() -> None:
    planned = Planned("dec_0", "sms", "marketing", MORNING)
    decision: Decision = decided(ann(planned=(planned,)), "sms", now=NIGHT)
    assert decision.send_at == MORNING + DAY
    assert verdicts(decision)[-1] == ("sms", "frequency_cap", "pass", "put_off_by_sms_per_day", "dec_0")
