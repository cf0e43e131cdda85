"""Offers: nobody gets two prices for one thing.

A message with an offer claims its terms for a scope, such as a product, until the offer ends. While a claim lives,
other terms for the same scope fail the gate `offer`, unless the policy lets the first terms stand in the new message,
or the newer message supersede the older.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cdp.decision.model import Claim, OfferTerms, Reason
from cdp.decision.policy import OfferRules


def terms_of(
    scope: str,
    terms: str,
    ends_at: datetime | None,
    starts_at: datetime | None = None,
    *,
    is_adaptable: bool = True,
) -> OfferTerms:
    """An offer's terms; `terms` is their canonical text, such as JSON with sorted keys."""
    digest = hashlib.sha256(terms.encode()).hexdigest()[:16]
    return OfferTerms(scope, terms, digest, ends_at, starts_at, is_adaptable)


def canonical(terms: Mapping[str, str]) -> str:
    """The canonical text of terms: what the person pays, not when."""
    return json.dumps(dict(sorted(terms.items())))


@dataclass(frozen=True)
class OfferVerdict:
    """The gate's verdict. terms: those in force for the message. superseded: the claims that give way to it."""

    reason: Reason | None = None
    terms: OfferTerms | None = None
    superseded: tuple[Claim, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.reason is None or self.reason.verdict == "pass"


def offer_gate(offer: OfferTerms | None, claims: Sequence[Claim], rules: OfferRules, start: datetime) -> OfferVerdict:
    """Whether the person may get an offer, beside those that they hold.

    Args:
        start: the earliest time that the message may go out.
    """
    if offer is None:
        return OfferVerdict()
    if offer.ends_at is not None and offer.ends_at <= start:
        return OfferVerdict(Reason("offer", None, "fail", "offer_has_ended"))
    if offer.starts_at is not None and offer.starts_at > start:
        return OfferVerdict(Reason("offer", None, "fail", "offer_has_not_begun"))
    others = [
        claim
        for claim in claims
        if claim.scope == offer.scope and claim.terms_hash != offer.terms_hash and _ends_at(claim, rules) > start
    ]
    if not others:
        return OfferVerdict(Reason("offer", None, "pass", "no_other_terms"), offer)
    first = min(others, key=_standing)
    if rules.on_conflict == "keep_first_terms" and offer.is_adaptable and _kind(first.terms) == _kind(offer.terms):
        kept = replace(offer, terms=first.terms, terms_hash=first.terms_hash, ends_at=_ends_at(first, rules))
        return OfferVerdict(Reason("offer", None, "pass", "first_terms_kept", first.held_by), kept)
    if rules.on_conflict == "supersede":
        return OfferVerdict(Reason("offer", None, "pass", "supersedes", first.held_by), offer, tuple(others))
    return OfferVerdict(Reason("offer", None, "fail", "other_terms_claimed", first.held_by))


def _ends_at(claim: Claim, rules: OfferRules) -> datetime:
    return claim.until or claim.claimed_at + timedelta(days=rules.open_ended_days)


def standing_gate(offer: OfferTerms, claims: Sequence[Claim], rules: OfferRules, now: datetime) -> Reason:
    """Whether the offer of a message that waits still stands: people who have merged since share their claims, and a
    newer offer may have superseded it while it was in the hands of its provider.
    """
    live = [claim for claim in claims if claim.scope == offer.scope and _ends_at(claim, rules) > now]
    if not live:
        return Reason("offer", None, "pass", "no_other_terms")
    stands = max(live, key=_age) if rules.on_conflict == "supersede" else min(live, key=_standing)
    if stands.terms_hash == offer.terms_hash:
        return Reason("offer", None, "pass", "no_other_terms")
    return Reason("offer", None, "fail", "other_terms_claimed", stands.held_by)


def _standing(claim: Claim) -> tuple[bool, datetime, str]:
    """Terms that the person may know of stand before others. Those claimed first need not be: people can merge."""
    return claim.handed_over_at is None, claim.handed_over_at or claim.claimed_at, claim.held_by


def _age(claim: Claim) -> tuple[datetime, str]:
    return claim.claimed_at, claim.held_by


def _kind(terms: str) -> frozenset[str]:
    """What terms name: a message that shows a price cannot show a discount instead."""
    return frozenset(json.loads(terms))
