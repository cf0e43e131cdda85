"""Request and response bodies of decisions, as OpenAPI documents them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)

from api.schemas import Body, Name, Recipient, UtcTime, example
from cdp.channels import MESSAGE_CHANNELS, MessageChannelName

MAX_REQUESTS = 1_000


class DecisionRequest(Recipient):
    """May this person get a message, on which channel and when? Unknown fields are refused: they may be limits."""

    purpose: Name = Field(description="Purpose defined by the policy; as shipped, `marketing` or `transactional`")
    topic: Name | None = Field(None, description="Topic of the message, for consent by topic")
    candidates: Annotated[list[MessageChannelName], Field(min_length=1, max_length=len(MESSAGE_CHANNELS))] = Field(
        list(MESSAGE_CHANNELS), description="Possible channels; the first wins a tie"
    )
    at: UtcTime | None = Field(None, description="Desired time of sending; by default now, and never earlier")
    deadline: UtcTime | None = Field(None, description="Time after which the message is useless")
    urgency: Literal["low", "normal", "high"] = Field("normal", description="Cost of waiting, as defined by the policy")


Requests = Annotated[list[DecisionRequest], Field(min_length=1, max_length=MAX_REQUESTS)]


class DecisionBatch(BaseModel):
    """Up to 1,000 questions."""

    model_config = ConfigDict(extra="forbid")

    requests: Requests


def _shape(body: Any) -> str:
    if isinstance(body, list):
        return "list"
    return "batch" if isinstance(body, dict) and "requests" in body else "one"


_QUESTION = {
    "identifiers": [{"type": "email", "value": "ann@example.com"}],
    "purpose": "marketing",
    "candidates": list(MESSAGE_CHANNELS[:2]),
}
AnyRequest = Annotated[
    Annotated[DecisionRequest, Tag("one")] | Annotated[DecisionBatch, Tag("batch")] | Annotated[Requests, Tag("list")],
    Discriminator(_shape),
    Field(examples=[_QUESTION, {"requests": [_QUESTION]}]),
]


class ReasonView(Body):
    """The verdict of a gate, for one channel or for all."""

    gate: str = Field(
        description="`resolvable`, `holdout`, `offer`, `reachable`, `suppression`, `consent`, `quiet_hours`, "
        "`frequency_cap` or `deadline`"
    )
    channel: MessageChannelName | None
    verdict: Literal["pass", "fail"]
    code: str = Field(description="Machine-readable finding")
    evidence_id: str | None = Field(description="Id of a contact point, ledger entry or decision, or a time zone")


class ScoreView(Body):
    """The expected response on a channel."""

    mean: float = Field(description="Expected share of messages that the person responds to")
    low: float = Field(description="Lower end of the 90% interval")
    high: float = Field(description="Upper end of the 90% interval")
    n: int = Field(description="Number of messages received, the evidence")
    prior: float = Field(description="Prior: the overall rate of the channel")


class FallbackView(Body):
    """A channel to try next."""

    channel: MessageChannelName
    after: datetime = Field(description="Earliest time of sending")
    when: Literal["not_delivered", "failed"] = Field(description="Condition on the previous channel")


class UnsubscribeView(Body):
    """The unsubscribe link of a message."""

    url: str = Field(description="Page for unsubscribing and changing preferences, to link in the message")
    headers: dict[str, str] = Field(description="E-mail headers for one-click unsubscribing (RFC 8058)")


class OfferView(Body):
    """The terms in force for the person."""

    scope: str
    terms: str = Field(description="What the person pays, as JSON")
    terms_hash: str
    ends_at: datetime | None


class DecisionView(Body):
    """A decision. If it is `allowed: false`, the reasons say why, by channel."""

    decision_id: str | None = Field(description="Null for a dry run, which is not logged")
    allowed: bool
    channel: MessageChannelName | None
    contact_point_id: str | None
    address: str | None
    send_at: datetime | None = Field(description="Earliest time of sending")
    expires_at: datetime | None = Field(description="Latest time of sending; ask again after it")
    reasons: list[ReasonView]
    scores: dict[MessageChannelName, ScoreView] = Field(
        description="Scores of the channels with an address that is not suppressed"
    )
    fallbacks: list[FallbackView]
    policy_version: str
    as_of: datetime
    offer: OfferView | None = Field(description="The offer of an allowed message that has one")
    supersedes: list[str] = Field(description="Ids of messages or decisions whose offer gives way to this one")
    unsubscribe: UnsubscribeView | None = Field(description="Unsubscribe link, for allowed messages that need consent")


class LoggedDecisionView(DecisionView):
    """A decision in the log, and what its client reported of the message."""

    purpose: str
    topic: str | None
    outcome: Literal["sent", "not_sent"] | None
    outcome_at: datetime | None


class OutcomeReport(BaseModel):
    """What became of the message that a decision allowed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example({"outcome": "not_sent"}))

    outcome: Literal["sent", "not_sent"] = Field(
        description="`not_sent` gives back what the decision counted against frequency caps"
    )


class DecisionList(Body):
    """Decisions in the order of the requests."""

    decisions: list[DecisionView]
