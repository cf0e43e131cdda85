"""The gates about the person and the address: known person, address, no suppression, consent.

Each verdict carries the id of its evidence.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cdp.channels import ADDRESS_TYPES, BY_NAME, CHATS
from cdp.consent import EVERY_CHANNEL, ConsentRules, Standing, fold
from cdp.decision.model import Address, Facts, Question, Reason
from cdp.decision.policy import Policy


def resolvable(facts: Facts) -> Reason:
    """The sender's identifiers belong to a known person."""
    if facts.profile_id is None:
        return Reason("resolvable", None, "fail", "unknown_person")
    return Reason("resolvable", None, "pass", "merged" if facts.retired_id else "known", facts.profile_id)


def addresses_on(facts: Facts, channel: str, at: datetime) -> list[Address]:
    """The person's addresses on a channel at a time, best first."""
    closes_at = chat_closes_at(facts, channel)
    if not _has_met(facts, channel) or (closes_at and closes_at <= at):
        return []
    return [address for address in facts.addresses if address.type == ADDRESS_TYPES[channel]]


def chat_closes_at(facts: Facts, channel: str) -> datetime | None:
    """From when on a chat takes nothing until the person writes again; None if it always takes something."""
    chat = CHATS.get(channel)
    if chat is None or chat.is_always_open or chat.has_templates:
        return None
    return facts.chats_open_until.get(channel, _LONG_AGO)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _has_met(facts: Facts, channel: str) -> bool:
    return not BY_NAME[channel].needs_contact or channel in facts.met_on


def unreachable(facts: Facts, channel: str) -> Reason:
    """Why there is no address on a channel."""
    has_one = any(address.type == ADDRESS_TYPES[channel] for address in facts.addresses)
    code = "no_address" if not has_one else "chat_is_closed" if _has_met(facts, channel) else "never_met_there"
    return Reason("reachable", channel, "fail", code)


def reachable(address: Address, channel: str) -> Reason:
    return Reason("reachable", channel, "pass", "has_address", address.contact_point_id)


def suppression(address: Address, channel: str, facts: Facts, now: datetime) -> Reason:
    """The address is not suppressed; a suppression overrides every grant and applies to every purpose."""
    for one in facts.suppressions:
        holds_here = one.contact_point_id == address.contact_point_id and one.channel in (channel, EVERY_CHANNEL)
        # A suppression reported by a clock ahead of ours is already in force.
        if holds_here and one.is_active(max(now, one.occurred_at or now)):
            return Reason("suppression", channel, "fail", one.reason, one.entry_id or one.contact_point_id)
    return Reason("suppression", channel, "pass", "not_suppressed", address.contact_point_id)


def consent(address: Address, channel: str, facts: Facts, question: Question, policy: Policy, now: datetime) -> Reason:
    """The person has consented to messages of this purpose and topic at this address."""
    if not policy.purposes[question.purpose].needs_consent:
        return Reason("consent", channel, "pass", "not_needed")
    standing = _standing(address, channel, facts, question, policy.consent, now)
    is_granted = standing.state == "granted"
    return Reason("consent", channel, "pass" if is_granted else "fail", standing.state, standing.entry_id)


def _standing(
    address: Address, channel: str, facts: Facts, question: Question, rules: ConsentRules, now: datetime
) -> Standing:
    """The standing now, or a later one if a statement by a clock ahead of ours withdraws consent."""

    def as_of(moment: datetime) -> Standing:
        return fold(
            facts.entries,
            contact_point_id=address.contact_point_id,
            channel=channel,
            purpose=question.purpose,
            topic=question.topic,
            as_of=moment,
            rules=rules,
            region=facts.country,
        )

    standing = as_of(now)
    last = max((entry.occurred_at for entry in facts.entries), default=now)
    return as_of(last) if standing.state == "granted" and last > now else standing
