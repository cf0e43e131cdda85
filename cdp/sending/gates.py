"""The gates, asked again as a message is about to go out: what has been said since its decision counts.

Caps and quiet hours were planned by the decision, and `expires_at` ends its validity.
"""

from __future__ import annotations

from datetime import datetime

from cdp.content.model import Offer
from cdp.decision import Facts, OfferTerms, Question, Reason
from cdp.decision.gates import consent, suppression
from cdp.decision.offers import canonical, standing_gate, terms_of
from cdp.decision.policy import Policy
from cdp.sending.messages import Message


def refusal(message: Message, facts: Facts, policy: Policy, now: datetime) -> Reason | None:
    """The gate that holds a message back now; None if it may go out."""
    channel = str(message.channel)
    address = next((one for one in facts.addresses if one.contact_point_id == message.contact_point_id), None)
    if address is None:
        return Reason("reachable", channel, "fail", "address_gone", message.contact_point_id)
    question = Question(message.decision_id, message.purpose, (channel,), message.topic)
    reasons = [
        suppression(address, channel, facts, now),
        consent(address, channel, facts, question, policy, now),
    ]
    if message.offer:
        terms = offer_terms(Offer.model_validate_json(message.offer))
        reasons.append(standing_gate(terms, facts.claims, policy.offers, now))
    return next((one for one in reasons if one.verdict == "fail"), None)


def offer_terms(offer: Offer, *, is_adaptable: bool = True) -> OfferTerms:
    """What the person pays under an offer: its period is not part of its terms.

    Args:
        is_adaptable: the message can show other terms of the same kind instead.
    """
    return terms_of(offer.scope, canonical(offer.terms), offer.ends_at, offer.starts_at, is_adaptable=is_adaptable)
