"""A decision: the question, the facts behind it, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cdp.consent import Entry, Suppression
from cdp.decision.caps import Planned, Sent


@dataclass(frozen=True)
class OfferTerms:
    """What an offer says of a scope. terms: their canonical text.

    starts_at, ends_at: open if None. is_adaptable: the message can show other terms of the same kind instead.
    """

    scope: str
    terms: str
    terms_hash: str
    ends_at: datetime | None = None
    starts_at: datetime | None = None
    is_adaptable: bool = True


@dataclass(frozen=True)
class Claim:
    """Terms that a person has been promised.

    until: None if the offer has no end of its own; the policy gives it one. held_by: the message, the decision or the
    event that promised them. handed_over_at: since when the person may know of them.
    """

    scope: str
    terms: str
    terms_hash: str
    until: datetime | None
    claimed_at: datetime
    held_by: str
    handed_over_at: datetime | None = None


@dataclass(frozen=True)
class Holdout:
    """A share of the people, from 0 to 1, who get nothing of what has this name."""

    name: str
    share: float


@dataclass(frozen=True)
class Question:
    """A sender's question about one person; times are UTC.

    at: the desired send time, by default now. deadline: the message is useless after it.
    candidates: the channels to choose from; the first wins a tie.
    holdouts: those that the message belongs to, besides the policy's.
    """

    decision_id: str
    purpose: str
    candidates: tuple[str, ...]
    topic: str | None = None
    at: datetime | None = None
    deadline: datetime | None = None
    urgency: str = "normal"
    offer: OfferTerms | None = None
    holdouts: tuple[Holdout, ...] = ()


@dataclass(frozen=True)
class Address:
    """An address of the person. `value` is not logged; `country` is the country of a phone number."""

    contact_point_id: str
    type: str
    country: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Response:
    """The outcome of a message since the last run: whether its arrival is new, and how it was answered."""

    channel: str
    at: datetime
    is_received: bool
    is_clicked: bool
    is_replied: bool


@dataclass(frozen=True)
class History:
    """The last run's history of a channel: decayed sums as of `as_of`, the count behind them, and fitted parameters.

    rate: the prior; None if nobody had received a message on the channel. prior_weight and half_life_days are None if
    the run fitted none.
    """

    as_of: datetime
    received: float
    answered: float
    received_count: int
    rate: float | None
    prior_weight: float | None = None
    half_life_days: float | None = None


@dataclass(frozen=True)
class Facts:
    """Everything a decision depends on besides policy and clock, from a single state of the store.

    profile_id: None for an unknown person. retired_id: the id asked for, if it was merged into `profile_id`.
    timezone_is_claim: only write keys have told the time zone.
    addresses: best first. met_on: channels on which the person has had contact.
    chats_open_until: the chats that the person has written in lately, and when they close.
    claims: of offers, also ended ones. held_out: what was stored of the person, by the name of the holdout.
    """

    profile_id: str | None
    retired_id: str | None = None
    timezone: str | None = None
    timezone_is_claim: bool = False
    country: str | None = None
    addresses: tuple[Address, ...] = ()
    met_on: tuple[str, ...] = ()
    chats_open_until: Mapping[str, datetime] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    planned: tuple[Planned, ...] = ()
    sent: tuple[Sent, ...] = ()
    history: Mapping[str, History] = field(default_factory=dict)
    responses: tuple[Response, ...] = ()
    claims: tuple[Claim, ...] = ()
    held_out: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Reason:
    """A gate's verdict; `evidence_id` names its evidence: a contact point, a ledger entry, a decision, a time zone."""

    gate: str
    channel: str | None
    verdict: Literal["pass", "fail"]
    code: str
    evidence_id: str | None = None


@dataclass(frozen=True)
class Score:
    """Expected share of messages that are answered, its 90% interval, the number of messages behind it, the prior."""

    mean: float
    low: float
    high: float
    n: int
    prior: float


@dataclass(frozen=True)
class Fallback:
    """The next channel to try, from `after` on, if the previous one was `not_delivered` or has `failed`."""

    channel: str
    after: datetime
    when: str


@dataclass(frozen=True)
class Decision:
    """The answer. A refusal has no channel, address or time; its reasons explain it, channel by channel.

    offer: the terms in force for this person; None for a message without one. supersedes: the messages or decisions
        whose offer gives way to it.
    send_at: do not send earlier. expires_at: do not send later; ask again. as_of: the time of the decision. All UTC.
    """

    decision_id: str
    allowed: bool
    channel: str | None
    contact_point_id: str | None
    address: str | None
    send_at: datetime | None
    expires_at: datetime | None
    reasons: tuple[Reason, ...]
    scores: Mapping[str, Score]
    fallbacks: tuple[Fallback, ...]
    policy_version: str
    as_of: datetime
    offer: OfferTerms | None = None
    supersedes: tuple[str, ...] = ()

    @property
    def profile_id(self) -> str | None:
        """The person that it is about, as the gate `resolvable` has found; None if nobody is known."""
        return next((one.evidence_id for one in self.reasons if one.gate == "resolvable"), None)
