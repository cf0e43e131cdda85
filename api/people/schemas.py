"""Request and response bodies of profiles, their events and their identity."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from api.consent.schemas import ConsentStanding
from api.schemas import MAX_IDENTIFIERS, Body, Identifier, IdentifierType, example
from cdp import fields, tables
from cdp.people.document import Identity, KnownIdentifier, Preference, SegmentMembership, TraitEvidence

_BY_EMAIL: dict[str, Any] = {"identifiers": [{"type": "email", "value": "ann@example.com"}]}
_BY_PHONE: dict[str, Any] = {"identifiers": [{"type": "phone", "value": "+1 415 555 0100"}]}


class LookupRequest(BaseModel):
    """The identifiers of a person."""

    model_config = ConfigDict(json_schema_extra=example(_BY_EMAIL))

    identifiers: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_IDENTIFIERS)]


MAX_LOOKUPS = 1_000


class LookupBatch(BaseModel):
    """Up to 1,000 look-ups."""

    model_config = ConfigDict(json_schema_extra=example({"requests": [_BY_EMAIL, _BY_PHONE]}))

    requests: Annotated[list[LookupRequest], Field(min_length=1, max_length=MAX_LOOKUPS)]


_TRAIT_TYPES = {column.name: date if column.type is fields.CalendarDate else str for column in tables.PROFILES.columns}
_TRAIT_FIELDS: dict[str, Any] = {name: (_TRAIT_TYPES[name] | None, None) for name in fields.CORE_TRAITS}


class Traits(create_model("CoreTraits", __base__=Body, **_TRAIT_FIELDS)):  # type: ignore[misc]
    """The core traits."""


class TraitStanding(Body):
    """The status of a core trait."""

    trait: str
    status: Literal["declared", "inferred", "missing"]
    inferred_from: str | None = Field(description="Basis of the inference")
    inferred_value: str | None = Field(description="Inferred value, if no source has given one")


class NextQuestion(Body):
    """A trait worth asking the person for."""

    trait: str
    reason: str = Field(description="Use of the answer")


class Profile(Body):
    """A person. Parts that `include` does not name are omitted."""

    profile_id: str
    traits: Traits
    created_at: datetime
    last_seen_at: datetime
    custom_traits: dict[str, str] | None = Field(
        None, description="Traits other than the core ones, as given by their sources"
    )
    trait_evidence: list[TraitEvidence] | None = None
    segments: list[SegmentMembership] | None = None
    preferences: list[Preference] | None = None
    metrics: dict[str, JsonValue] | None = None
    consent: list[ConsentStanding] | None = None
    identity: Identity | None = None
    identifiers: list[KnownIdentifier] | None = None
    trait_status: list[TraitStanding] | None = None
    next_questions: list[NextQuestion] | None = None
    retired_id: str | None = Field(None, description="Requested id, if it was merged into this profile")
    merged_into: str | None = Field(None, description="Id of the surviving profile, if a retired id was requested")


class Event(Body):
    """Something that happened on a channel, with the log line that reports it."""

    event_id: str
    source: str
    channel: str
    event_type: str
    event_name: str | None
    occurred_at: datetime
    received_at: datetime
    message_ref: str | None
    campaign_ref: str | None
    is_machine: bool
    amount: str | None = Field(description="Decimal number")
    currency: str | None
    properties: JsonValue
    observation_id: str
    file: str
    line_number: int


class OfProfile(Body):
    """A response about a profile, requested by its id or by one that was merged into it."""

    profile_id: str
    retired_id: str | None = None
    merged_into: str | None = None


class Events(OfProfile):
    """A page of events, newest first."""

    events: list[Event]
    next_cursor: str | None = Field(description="Value of `cursor` for the next page")


class HeldIdentifier(Body):
    """An identifier of an observation."""

    type: str
    value: str


class Member(Body):
    """An observation: one distinct description of the person by a source."""

    observation_id: str
    source: str
    first_seen_at: datetime
    last_seen_at: datetime
    event_count: int
    member_since_run: str
    identifiers: list[HeldIdentifier]


class PathStep(Body):
    """A step of the chain, from left to right: evidence that two observations are one person."""

    left_observation: str
    right_observation: str
    kind: str
    rule: str
    probability: float
    evidence: JsonValue = Field(
        description="the value that both hold, or the weight of each field that is alike; null for a steward's link"
    )


class IdentityAnswer(OfProfile):
    """The members of a profile. `path` is present if requested, and null if no evidence joins the two observations."""

    members: list[Member]
    path: list[PathStep] | None = Field(
        default=None,
        description="the chain whose weakest link is the most probable, of several the shortest; "
        "empty where one observation is both ends",
    )


class PathRequest(BaseModel):
    """Two identifiers of a profile."""

    model_config = ConfigDict(
        json_schema_extra=example({"left": _BY_EMAIL["identifiers"][0], "right": _BY_PHONE["identifiers"][0]})
    )

    left: Identifier
    right: Identifier


class MatchedIdentifier(Body):
    """An identifier that led to the profile."""

    type: IdentifierType
    value: str = Field(description="Normalised value")


class LookupAnswer(Body):
    """The profile found by the strongest identifier."""

    profile_id: str
    matched: list[MatchedIdentifier]
    ambiguous: bool = Field(description="Whether the identifiers lead to more than one profile")
    candidates: list[str] = Field(description="Ids of all profiles found, best first")
    profile: Profile


class NotFoundAnswer(Body):
    """The answer to a look-up in a batch for which there is no profile."""

    profile_id: None
    matched: list[MatchedIdentifier] = Field(max_length=0)
    ambiguous: Literal[False]
    candidates: list[str] = Field(max_length=0)
    profile: None


class LookupAnswers(Body):
    """The answers to a batch of look-ups, in its order."""

    answers: list[LookupAnswer | NotFoundAnswer]
