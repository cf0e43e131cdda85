"""Accepting messages: decision, offer, message and work in one transaction, so that none is there without the rest.

What a request gets wrong by itself (an unknown template, missing data, a deadline that has passed) is found before the
transaction, and nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cdp.content.compiled import Compiled
from cdp.content.library import Library
from cdp.content.liquid import ContentRefused
from cdp.content.model import Need, Offer, shown
from cdp.content.needs import misfit
from cdp.content.rendering import Inline, Values, channels_of, render
from cdp.decision import Decision, Holdout, OfferTerms, Question
from cdp.decision.facts import Asked
from cdp.decision.log import decide_and_log
from cdp.decision.policy import Policy
from cdp.errors import InputRefused
from cdp.ids import sortable_id
from cdp.people.identifiers import Identifier
from cdp.sending.gates import offer_terms
from cdp.sending.messages import Message, insert
from cdp.sending.withdrawing import supersede
from cdp.store import Connection
from cdp.work import Task, enqueue

SEND = "send"


@dataclass(frozen=True)
class Wanted:
    """A message that a client wants to send to one person.

    data: for the template, which declares what it needs. channels: in order of preference; by default all that the
    content has words for. is_fallback_wanted: whether the next channels are tried if the first fails.
    parent_id, next_channels: the message whose fallback this is, and what is left of its channels, as JSON.
    """

    client_id: str
    content: Compiled | Inline
    purpose: str
    profile_id: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    topic: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    at: datetime | None = None
    deadline: datetime | None = None
    urgency: str = "normal"
    is_fallback_wanted: bool = True
    offer: Offer | None = None
    campaign: str | None = None
    broadcast_id: str | None = None
    parent_id: str | None = None
    next_channels: str | None = None
    holdouts: tuple[Holdout, ...] = ()


def purpose_of(content: Compiled | Inline, asked: str | None) -> str:
    """The purpose that a sender asked for, or else the template's own.

    Raises:
        InputRefused: there is neither.
    """
    purpose = asked or (content.template.purpose if isinstance(content, Compiled) else None)
    if purpose is None:
        raise InputRefused("the message needs a purpose", hint="The template has none of its own")
    return purpose


def topic_of(content: Compiled | Inline, asked: str | None) -> str | None:
    """The topic that a sender asked for, or else the template's own."""
    return asked or (content.template.topic if isinstance(content, Compiled) else None)


@dataclass(frozen=True)
class Asking:
    """A message with the question that decides on it."""

    wanted: Wanted
    message_id: str
    asked: Asked


def asking(wanted: Wanted, library: Library, policy: Policy, sendable: Collection[str], now: datetime) -> Asking:
    """The question that a message asks.

    Args:
        sendable: the channels that have a provider.

    Raises:
        InputRefused: the policy does not know the purpose, the content has no words for any of the channels, the
            template's data are missing, unknown or too long, or the deadline has passed.
    """
    policy.require_purpose(wanted.purpose)
    if wanted.deadline is not None and wanted.deadline <= now:
        raise InputRefused("the deadline has passed", hint="Times are UTC unless they say otherwise")
    _check_data(wanted)
    message_id = sortable_id("msg", now)
    question = Question(
        decision_id=sortable_id("dec", now),
        purpose=wanted.purpose,
        candidates=_candidates(wanted, library, sendable),
        topic=wanted.topic,
        at=wanted.at,
        deadline=wanted.deadline,
        urgency=wanted.urgency,
        offer=_offer_terms(wanted),
        holdouts=wanted.holdouts,
    )
    asked = Asked(question, wanted.profile_id, wanted.identifiers, wanted.client_id, message_id)
    return Asking(wanted, message_id, asked)


def accept(
    connection: Connection, askings: Sequence[Asking], policy: Policy, now: datetime
) -> list[tuple[Message, Decision]]:
    """Decide each message in order and, where it is allowed, write it and enqueue it, within a write transaction.

    A message that a gate refuses is written too, with its reasons in the log of decisions.
    """
    decisions = decide_and_log(connection, [one.asked for one in askings], policy, now)
    accepted = [_message(one, decision, now) for one, decision in zip(askings, decisions, strict=True)]
    insert(connection, accepted)
    withdrawn = supersede(connection, [holder for one in decisions for holder in one.supersedes], now)
    accepted = [withdrawn.get(one.message_id, one) for one in accepted]
    due = [Task(one.message_id, not_before=one.send_at) for one in accepted if one.state == "queued"]
    enqueue(connection, SEND, due, now)
    return list(zip(accepted, decisions, strict=True))


def _message(asking: Asking, decision: Decision, now: datetime) -> Message:
    wanted, content = asking.wanted, asking.wanted.content
    return Message(
        message_id=asking.message_id,
        client_id=wanted.client_id,
        profile_id=decision.profile_id,
        decision_id=decision.decision_id,
        parent_id=wanted.parent_id,
        campaign=wanted.campaign,
        broadcast_id=wanted.broadcast_id,
        purpose=wanted.purpose,
        topic=wanted.topic,
        template=content.name if isinstance(content, Compiled) else None,
        template_version=content.version if isinstance(content, Compiled) else None,
        content=content.model_dump_json(exclude_none=True) if isinstance(content, Inline) else None,
        data=json.dumps(dict(wanted.data), ensure_ascii=False) if wanted.data else None,
        offer=json.dumps(shown_offer(decision.offer), ensure_ascii=False) if decision.offer else None,
        channel=decision.channel,
        contact_point_id=decision.contact_point_id,
        state="queued" if decision.allowed else "refused",
        reason=None if decision.allowed else refusal_of(decision),
        send_at=decision.send_at,
        expires_at=decision.expires_at,
        deadline=wanted.deadline,
        urgency=wanted.urgency,
        fallbacks=_fallbacks(wanted, decision),
        created_at=now,
        changed_at=now,
    )


def as_accepted(message: Message) -> Message:
    """The message as it was when it was accepted, whatever has become of it since."""
    was_withdrawn_at_once = message.reason == "superseded" and message.changed_at == message.created_at
    if message.state == "refused" or was_withdrawn_at_once:
        return message
    return replace(message, state="queued", reason=None)


def refusal_of(decision: Decision) -> str:
    """The code of the gate that failed for the channel preferred."""
    return next((one.code for one in decision.reasons if one.verdict == "fail"), "no_channel")


def _fallbacks(wanted: Wanted, decision: Decision) -> str | None:
    if wanted.parent_id or not wanted.is_fallback_wanted:
        return wanted.next_channels
    found = [{"channel": one.channel, "after": one.after.isoformat(), "when": one.when} for one in decision.fallbacks]
    return json.dumps(found) if found else None


def _offer_of(content: Compiled | Inline) -> Offer | None:
    return content.template.offer if isinstance(content, Compiled) else None


def shown_offer(offer: OfferTerms) -> dict[str, str]:
    """An offer as the message shows it; `Offer` reads it."""
    return shown(offer.scope, json.loads(offer.terms), offer.starts_at, offer.ends_at)


def _offer_terms(wanted: Wanted) -> OfferTerms | None:
    """What the person pays under the message's offer.

    Raises:
        ContentRefused: the template speaks of another kind of offer.
    """
    own = _offer_of(wanted.content)
    if wanted.offer and own and wanted.offer.terms.keys() != own.terms.keys():
        kind = "discount" if own.discount is not None else "price"
        raise ContentRefused(f"the template's offer is a {kind}, the request's is not", hint="Use another template")
    offer = wanted.offer or own
    if offer is None:
        return None
    # A template may show the period, so what the request leaves open is the template's.
    period = {name: getattr(offer, name) or (getattr(own, name) if own else None) for name in ("starts_at", "ends_at")}
    is_adaptable = isinstance(wanted.content, Compiled) and wanted.content.is_adaptable
    return offer_terms(offer.model_copy(update=period), is_adaptable=is_adaptable)


def _candidates(wanted: Wanted, library: Library, sendable: Collection[str]) -> tuple[str, ...]:
    able = channels_of(wanted.content)
    chosen = tuple(dict.fromkeys(one for one in wanted.channels or able if one in able))
    if not chosen:
        raise ContentRefused(
            "the content has no words for any of the channels", hint=f"It has words for {', '.join(able)}"
        )
    provided = tuple(one for one in chosen if one in sendable)
    if not provided:
        raise NoProvider(", ".join(chosen))
    return _that_fit(wanted.content, provided, library) if isinstance(wanted.content, Inline) else provided


class NoProvider(InputRefused):
    """No provider is configured for any of the channels."""

    code = "no_provider"

    def __init__(self, channels: str) -> None:
        super().__init__(f"no provider is configured for {channels}", hint="`cdp send list` shows what each needs")


def _that_fit(inline: Inline, channels: Sequence[str], library: Library) -> tuple[str, ...]:
    """The channels that one-off content is short enough for; templates are checked when they are loaded."""
    fitting, refused = [], None
    for channel in channels:
        try:
            render(inline, channel, Values(is_chat_open=True), library.brand)
            fitting.append(channel)
        except ContentRefused as error:
            refused = error
    if not fitting and refused:
        raise refused
    return tuple(fitting)


def _check_data(wanted: Wanted) -> None:
    """Refuse data that the template would not render with: its publication tried the longest values it allows."""
    needs = wanted.content.template.needs if isinstance(wanted.content, Compiled) else {}
    missing = [name for name in needs if name not in wanted.data]
    if missing:
        raise ContentRefused(f"data.{missing[0]} is missing", hint=f"The template needs {', '.join(needs)}")
    for name, value in wanted.data.items():
        if name not in needs:
            hint = f"The template needs {', '.join(needs) or 'no data'}"
            raise ContentRefused("the data have a value that the template does not know", hint=hint)
        _check_value(name, value, needs[name])


def _check_value(name: str, value: Any, need: Need) -> None:
    if wrong := misfit(value, need.example, f"data.{name}"):
        raise ContentRefused(wrong)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except ValueError as error:
        raise ContentRefused(f"data.{name} has text or a number that cannot be written") from error
    if "\\u0000" in text:
        raise ContentRefused(f"data.{name} has the character NUL")
    size = len(value if isinstance(value, str) else text)
    if size > need.longest:
        raise ContentRefused(f"data.{name} has {size:,} characters; the template allows {need.longest:,}")
