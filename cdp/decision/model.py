"""A decision: what is asked, the facts it is answered from, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cdp.consent import Entry, Suppression
from cdp.decision.caps import Planned, Sent


@dataclass(frozen=True)
class Question:
    """What a sender asks about one person; times are UTC.

    at: when the message is wanted, by default now. deadline: after that it is of no use.
    candidates: the channels that it could go by; among equally good ones the first wins.
    """

    decision_id: str
    purpose: str
    candidates: tuple[str, ...]
    topic: str | None = None
    at: datetime | None = None
    deadline: datetime | None = None
    urgency: str = "normal"


@dataclass(frozen=True)
class Address:
    """An address of the person. `value` is left out of what is logged; `country` is that of a phone number."""

    contact_point_id: str
    type: str
    country: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Response:
    """What became of a message since the last run: whether it is new that it arrived, and how it was answered."""

    channel: str
    at: datetime
    is_received: bool
    is_clicked: bool
    is_replied: bool


@dataclass(frozen=True)
class History:
    """What the last run made of a channel: decayed sums as of `as_of`, the count behind them, and what it fitted.

    rate: the prior; None: the run saw nobody receive anything there. Its weight and the half-life are None where the
    run said none.
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
    """All that a decision depends on besides policy and clock, as one state of the store shows it.

    addresses: best first. retired_id: the id asked for, where it was merged into `profile_id`. `profile_id` is None
    for somebody unknown. met_on: channels on which the person was met.
    """

    profile_id: str | None
    retired_id: str | None = None
    timezone: str | None = None
    country: str | None = None
    addresses: tuple[Address, ...] = ()
    met_on: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    planned: tuple[Planned, ...] = ()
    sent: tuple[Sent, ...] = ()
    history: Mapping[str, History] = field(default_factory=dict)
    responses: tuple[Response, ...] = ()


@dataclass(frozen=True)
class Reason:
    """A verdict of a gate; `evidence_id` names what proves it: a contact point, a ledger entry, a decision, a zone."""

    gate: str
    channel: str | None
    verdict: Literal["pass", "fail"]
    code: str
    evidence_id: str | None = None


@dataclass(frozen=True)
class Score:
    """Expected share of messages that get an answer, its 90% interval, the messages behind it, the prior rate."""

    mean: float
    low: float
    high: float
    n: int
    prior: float


@dataclass(frozen=True)
class Fallback:
    """The next channel to try, from `after` on, if the one before it was `not_delivered` or has `failed`."""

    channel: str
    after: datetime
    when: str


@dataclass(frozen=True)
class Decision:
    """The answer. What was refused has no channel, address or time; its reasons say why, channel by channel.

    send_at: not before. expires_at: not after; ask again then. as_of: the moment that it speaks for. Times are UTC.
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
