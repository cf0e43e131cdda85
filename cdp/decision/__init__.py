"""The sender's question: may I message this person, on which channel, when, and why? Pure functions."""

from cdp.decision.caps import Planned, Sent
from cdp.decision.decide import decide
from cdp.decision.model import (
    Address,
    Claim,
    Decision,
    Facts,
    Fallback,
    History,
    Holdout,
    OfferTerms,
    Question,
    Reason,
    Response,
    Score,
)

__all__ = [
    "Address",
    "Claim",
    "Decision",
    "Facts",
    "Fallback",
    "History",
    "Holdout",
    "OfferTerms",
    "Planned",
    "Question",
    "Reason",
    "Response",
    "Score",
    "Sent",
    "decide",
]
