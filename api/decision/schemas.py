"""The bodies of decisions, as OpenAPI documents them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from api.schemas import MAX_IDENTIFIERS, Body, Identifier, Name, UtcTime
from cdp.channels import MESSAGE_CHANNELS, MessageChannelName

MAX_REQUESTS = 1_000


class DecisionRequest(BaseModel):
    """May I write to this person, on which channel, when? A field that is not known is refused: it may be a limit."""

    model_config = ConfigDict(extra="forbid")

    profile_id: Name | None = None
    identifiers: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_IDENTIFIERS)] | None = None
    purpose: Name = Field(description="of the policy's purposes: `marketing` or `transactional`, as shipped")
    topic: Name | None = Field(None, description="what the message is about, where consent is given by topic")
    candidates: Annotated[list[MessageChannelName], Field(min_length=1, max_length=len(MESSAGE_CHANNELS))] = Field(
        list(MESSAGE_CHANNELS), description="the channels it could go by; of equals the first wins"
    )
    at: UtcTime | None = Field(None, description="when it is wanted; now, if that is later")
    deadline: UtcTime | None = Field(None, description="after that the message is of no use")
    urgency: Literal["low", "normal", "high"] = Field("normal", description="what waiting costs; see the policy")

    @model_validator(mode="after")
    def _names_somebody_once(self) -> Self:
        if (self.profile_id is None) == (self.identifiers is None):
            raise ValueError("give either profile_id or identifiers")
        return self


Requests = Annotated[list[DecisionRequest], Field(min_length=1, max_length=MAX_REQUESTS)]


class DecisionBatch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    requests: Requests


def _form(body: Any) -> str:
    if isinstance(body, list):
        return "list"
    return "batch" if isinstance(body, dict) and "requests" in body else "one"


AnyRequest = Annotated[
    Annotated[DecisionRequest, Tag("one")] | Annotated[DecisionBatch, Tag("batch")] | Annotated[Requests, Tag("list")],
    Discriminator(_form),
]


class ReasonView(Body):
    gate: str = Field(description="resolvable, reachable, suppression, consent, quiet_hours, frequency_cap, deadline")
    channel: MessageChannelName | None
    verdict: Literal["pass", "fail"]
    code: str = Field(description="what was found, for programs")
    evidence_id: str | None = Field(description="what proves it: a contact point, a ledger entry, a decision, a zone")


class ScoreView(Body):
    mean: float = Field(description="expected share of messages that the person answers")
    low: float = Field(description="lower end of the 90% interval")
    high: float = Field(description="upper end of the 90% interval")
    n: int = Field(description="messages received, the evidence")
    prior: float = Field(description="the channel's own rate")


class FallbackView(Body):
    channel: MessageChannelName
    after: datetime = Field(description="not before")
    when: Literal["not_delivered", "failed"] = Field(description="what the channel before it must have come to")


class UnsubscribeView(Body):
    url: str = Field(description="where the person unsubscribes or changes what they get; for the foot of the message")
    headers: dict[str, str] = Field(description="of an e-mail, for unsubscribing in one click (RFC 8058)")


class DecisionView(Body):
    """The answer. Where it is `allowed: false`, the reasons say why, channel by channel."""

    decision_id: str
    allowed: bool
    channel: MessageChannelName | None
    contact_point_id: str | None
    address: str | None
    send_at: datetime | None = Field(description="not before")
    expires_at: datetime | None = Field(description="not after; ask again then")
    reasons: list[ReasonView]
    scores: dict[MessageChannelName, ScoreView] = Field(
        description="of the channels with an address that is not suppressed"
    )
    fallbacks: list[FallbackView]
    policy_version: str
    as_of: datetime
    unsubscribe: UnsubscribeView | None = Field(description="of an allowed message that needs consent")


class DecisionList(Body):
    decisions: list[DecisionView]
