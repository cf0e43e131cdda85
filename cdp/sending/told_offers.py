"""Offers that others have made: an event whose properties hold an `offer` claims its terms for its person.

So a campaign of another tool, or a price that the shop has shown, is not contradicted by our next message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from cdp.content.model import Offer
from cdp.decision.claims import keep_claims
from cdp.decision.model import Claim
from cdp.decision.offers import canonical, terms_of
from cdp.store import Connection

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Told(NamedTuple):
    """An event of a person that told of an offer, given as JSON text."""

    event_id: str
    profile_id: str
    occurred_at: datetime
    offer: str


def claim_told(connection: Connection, told: Iterable[Told], now: datetime) -> None:
    """Claim the terms that events told of, within a write transaction. Offers that have ended claim nothing, and those
    that cannot be read are counted in the log.
    """
    found = list(told)
    offers = {text: read_offer(text) for text in {one.offer for one in found}}
    keep_claims(connection, list(_claims(found, offers, now)))
    if unreadable := sum(offers[one.offer] is None for one in found):
        _log.warning("offers in events cannot be read", events=unreadable)


def read_offer(text: str) -> Offer | None:
    """An offer as an event tells it: as templates declare it; None if it is not one."""
    try:
        return Offer.model_validate_json(text)
    except ValidationError:
        return None


def _claims(told: Iterable[Told], offers: dict[str, Offer | None], now: datetime) -> Iterator[tuple[str, Claim]]:
    for one in told:
        offer = offers[one.offer]
        if offer and (offer.ends_at is None or offer.ends_at > now):
            terms = terms_of(offer.scope, canonical(offer.terms), offer.ends_at)
            told_at = one.occurred_at
            claim = Claim(
                terms.scope, terms.terms, terms.terms_hash, offer.ends_at, told_at, one.event_id, handed_over_at=told_at
            )
            yield one.profile_id, claim
