"""Request and response bodies of messages, as OpenAPI documents them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from api.decision.schemas import ReasonView
from api.errors import location
from api.schemas import Body, MessageData, Name, Recipient, UtcTime, example
from cdp.channels import MESSAGE_CHANNELS, MessageChannelName
from cdp.content.model import Offer
from cdp.content.rendering import Inline
from cdp.sending.states import STATES

MAX_MESSAGES = 1_000

StateName = Literal[STATES]  # type: ignore[valid-type]


_TEMPLATE_EXAMPLE = {
    "to": {"identifiers": [{"type": "email", "value": "ann@example.com"}]},
    "template": "order_shipped",
    "data": {"order_id": "A-10042", "tracking_url": "https://post.example.com/t/123"},
}


class MessageRequest(BaseModel):
    """Send a message to one person, on the best channel. Unknown fields are refused: they may be limits."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(_TEMPLATE_EXAMPLE))

    to: Recipient
    purpose: Name | None = Field(None, description="Purpose defined by the policy; by default the template's")
    topic: Name | None = Field(None, description="Topic, for consent by topic; by default the template's")
    template: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    content: Inline | None = Field(None, description="A one-off message's own content, instead of a template")
    data: MessageData = Field({}, description="Values that the template needs")
    channels: Annotated[list[MessageChannelName], Field(min_length=1, max_length=len(MESSAGE_CHANNELS))] | None = Field(
        None, description="Possible channels in order of preference; by default all that the content has words for"
    )
    at: UtcTime | None = Field(None, description="Desired time of sending; by default now, and never earlier")
    deadline: UtcTime | None = Field(None, description="Time after which the message is useless")
    urgency: Literal["low", "normal", "high"] = Field("normal", description="Cost of waiting, as defined by the policy")
    fallback: bool = Field(True, description="Try the next channel if the message fails, or stays silent")
    offer: Offer | None = Field(
        None, description="The offer that the message makes; what it leaves open is the template's"
    )
    campaign: Name | None = None

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        if (self.template is None) == (self.content is None):
            raise ValueError("give either a template or content")
        if self.content is not None and self.data:
            raise ValueError("data are for templates")
        if self.content is not None and self.purpose is None:
            raise ValueError("content needs a purpose")
        return self


class Malformed(NamedTuple):
    """An item of a batch that is no message.

    field: where in the item, such as `to.identifiers.0.type`; None for the item as a whole. what: what is wrong,
    without a value. text: the item as JSON.
    """

    field: str | None
    what: str
    text: str


def _or_malformed(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """A message, or what is wrong with it, which is no matter of the others."""
    try:
        return read(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        field = location(first["loc"])
        return Malformed(field or None, f"{field}: {first['msg']}" if field else first["msg"], json.dumps(value))


class MessageBatch(BaseModel):
    """Up to 1,000 messages, each with its own outcome."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example({"messages": [_TEMPLATE_EXAMPLE]}))

    messages: Annotated[
        # As documented; what is no message is a `Malformed`.
        list[Annotated[MessageRequest, WrapValidator(_or_malformed)]],
        Field(min_length=1, max_length=MAX_MESSAGES),
    ]


class FallbackPlan(Body):
    """A channel to try next."""

    channel: MessageChannelName
    after: datetime = Field(description="When it is tried, if the message stays silent")
    when: Literal["not_delivered", "failed"] = Field(description="Condition on this message")


class SentMessage(Body):
    """What became of a request to send. If it is `refused`, the reasons say which gate did so."""

    message_id: str
    state: StateName
    reason: str | None = Field(description="Code of the gate that refused it, or of the last error")
    channel: MessageChannelName | None
    send_at: datetime | None
    expires_at: datetime | None
    decision_id: str
    reasons: list[ReasonView] | None = Field(description="The gates' verdicts, of a message that was just accepted")
    fallbacks: list[FallbackPlan]


class ProblemView(Body):
    """What is wrong with one message of a batch; nothing of it was written."""

    state: Literal["invalid"]
    index: int = Field(description="Place of the message in the request, from 0")
    field: str | None = Field(description="The field that is wrong, such as `to.identifiers.0.type`, if it is one")
    code: str = Field(description="Machine-readable error code")
    message: str = Field(description="Human-readable error message")


class SentMessages(Body):
    """The outcomes, in the order of the request."""

    messages: list[SentMessage | ProblemView]


class AttemptView(Body):
    """A call of a provider."""

    number: int
    provider: str
    started_at: datetime
    ended_at: datetime | None
    outcome: Literal["accepted", "retry", "refused", "in_doubt"] | None
    error: str | None


class ReportView(Body):
    """A provider's report. state: of the message after it."""

    event_type: str
    occurred_at: datetime
    received_at: datetime
    state: StateName


class MessageView(Body):
    """A message, without its address: that is the profile's."""

    message_id: str
    state: StateName
    reason: str | None
    profile_id: str | None
    channel: MessageChannelName | None
    contact_point_id: str | None
    purpose: str
    topic: str | None
    campaign: str | None
    template: str | None
    template_version: str | None
    offer: dict[str, Any] | None
    decision_id: str
    parent_id: str | None = Field(description="The message whose fallback this is")
    fallback_id: str | None = Field(description="The message that was sent on the next channel")
    fallbacks: list[FallbackPlan]
    provider: str | None
    provider_id: str | None
    created_at: datetime
    changed_at: datetime
    send_at: datetime | None
    expires_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    replied_at: datetime | None
    complained_at: datetime | None
    attempts: list[AttemptView]
    reports: list[ReportView]


class MessageList(Body):
    """Messages, the latest first."""

    messages: list[MessageView]
    next: str | None = Field(description="Cursor of the next page")


class PreviewView(Body):
    """What a message would be on a channel. segments, encoding: of a text message."""

    channel: MessageChannelName
    language: str | None
    content: dict[str, Any] | None
    segments: int | None
    encoding: str | None
    byte_count: int | None
    problem: str | None


class RehearsalView(Body):
    """What a request to send would do: nothing was written."""

    allowed: bool
    channel: MessageChannelName | None
    send_at: datetime | None
    expires_at: datetime | None
    reasons: list[ReasonView]
    fallbacks: list[FallbackPlan]
    previews: list[PreviewView]
