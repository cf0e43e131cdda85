"""Request and response bodies of consents, as OpenAPI documents them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.schemas import MAX_IDENTIFIERS, Body, Identifier, Name, UtcTime, example
from cdp import fields
from cdp.channels import ChannelName
from cdp.consent.evidence import bare_url, network_of
from cdp.consent.stating import NewStatement

State = Literal["granted", "denied", "withdrawn", "pending"]
Scope = Literal["topic", "channel", "all"]
# GDPR, article 6 (1).
Basis = Literal["consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"]
ContactPointId = Annotated[str, StringConstraints(pattern=str(fields.ContactPointId.pattern))]


Url = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://[^\s\x00]+$"), AfterValidator(bare_url)]
Network = Annotated[str, StringConstraints(max_length=64), AfterValidator(network_of)]


class Evidence(BaseModel):
    """Proof of a statement. IP addresses are truncated to their network (/24 or /48), URLs lose their query."""

    model_config = ConfigDict(extra="forbid")

    notice_id: Name | None = None
    notice_hash: Name | None = None
    method: Name | None = Field(None, description="Method, such as `checkbox`, `double_opt_in` or `phone_call`")
    url: Url | None = Field(None, description="Page of the statement; must not contain an address")
    ip: Network | None = None
    user_agent: Name | None = None
    message_id: Name | None = None


_GRANT = {
    "identifiers": [{"type": "email", "value": "ann@example.com"}],
    "channel": "email",
    "purpose": "marketing",
    "state": "granted",
    "evidence": {"method": "checkbox", "url": "https://shop.example.com/newsletter"},
}


class ConsentRequest(BaseModel):
    """A statement about consent: by whom, for what, and its content."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(_GRANT))

    profile_id: Name | None = None
    identifiers: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_IDENTIFIERS)] | None = None
    contact_point_id: ContactPointId | None = None
    channel: ChannelName
    purpose: Name = Field(description="Purpose defined by the policy; as shipped, `marketing` or `transactional`")
    topic: Name | None = None
    state: State
    scope: Scope | None = Field(None, description="Scope; by default `topic` if a topic is given, otherwise `channel`")
    basis: Basis | None = None
    occurred_at: UtcTime | None = Field(None, description="Time of the statement; by default now, never in the future")
    evidence: Evidence = Evidence()

    @model_validator(mode="after")
    def _identifies_the_person_once(self) -> Self:
        if sum(given is not None for given in (self.profile_id, self.identifiers, self.contact_point_id)) != 1:
            raise ValueError("give exactly one of profile_id, identifiers, contact_point_id")
        if (self.scope == "topic") > (self.topic is not None) or (self.scope in ("channel", "all") and self.topic):
            raise ValueError("scope `topic` requires a topic, and other scopes exclude one")
        return self

    def statement(self, identifiers: Sequence[tuple[str, str]]) -> NewStatement:
        """The statement, with the body's `identifiers` in normalised form."""
        return NewStatement(
            channel=self.channel,
            purpose=self.purpose,
            topic=self.topic,
            state=self.state,
            scope=self.scope or ("topic" if self.topic else "channel"),
            basis=self.basis,
            occurred_at=self.occurred_at,
            evidence=self.evidence.model_dump(exclude_none=True),
            contact_point_id=self.contact_point_id,
            profile_id=self.profile_id,
            identifiers=identifiers,
        )


class _Stated(Body):
    contact_point_id: str
    contact_point_type: str
    channel: str
    purpose: str
    topic: str | None
    state: str
    scope: str
    basis: str | None
    occurred_at: datetime
    source: str
    actor: str
    evidence: dict[str, Any]


class ConsentEntry(_Stated):
    """A ledger entry. `entry_hash` covers its other fields and, through `previous_hash`, all earlier entries."""

    seq: int
    entry_id: str
    recorded_at: datetime
    previous_hash: str | None
    entry_hash: str


class RecordedConsent(ConsentEntry):
    """The recorded entry, and the entries of the person's other contact points that the statement applies to."""

    reached: list[ConsentEntry]


class RehearsedEntry(_Stated):
    """What a dry run would have recorded."""

    seq: None
    entry_id: None = Field(description="Null for a dry run, which records nothing")
    recorded_at: None
    previous_hash: None
    entry_hash: None


class RehearsedConsent(RehearsedEntry):
    """What a dry run would have recorded, also of the person's other contact points that the statement applies to."""

    reached: list[RehearsedEntry]


class SuppressionRow(Body):
    """A reason not to send to a contact point on a channel (`all`: on any channel), regardless of consent."""

    contact_point_id: str
    channel: str
    reason: str = Field(description="`stop`, `complaint`, `hard_bounce` or `erased`")
    source: str
    occurred_at: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None
    entry_id: str | None = Field(description="Ledger entry or event that caused the suppression")
    is_active: bool


class ConsentStanding(Body):
    """The consent state of a contact point on a channel (and a topic), and its suppressions."""

    contact_point_id: str
    type: str
    channel: str
    purpose: str
    topic: str | None
    state: str
    allowed: bool
    entry_id: str | None
    suppressed_by: list[str]


class Consents(Body):
    """Ledger entries, the resulting consent states and the suppressions, as of a time."""

    as_of: datetime
    entries: list[ConsentEntry]
    states: list[ConsentStanding]
    suppressions: list[SuppressionRow]
    profile_id: str | None = None
