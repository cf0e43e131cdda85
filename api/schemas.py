"""The API's bodies, as OpenAPI documents them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

IdentifierType = Literal["email", "phone", "device_token", "anonymous_id", "customer_id"]
# PostgreSQL's texts cannot hold NUL.
IdentifierValue = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]

MAX_IDENTIFIERS = 50


class Body(BaseModel):
    """A body of ours; what we answer has the fields named and no others."""

    model_config = ConfigDict(extra="forbid")


class Problem(Body):
    """An error (RFC 9457)."""

    type: str = Field(description="`about:blank`: the status says what kind of problem it is")
    title: str
    status: int
    detail: str
    instance: str = Field(description="the request's id, under which the log has more")
    code: str = Field(description="what is wrong, for programs")
    message: str = Field(description="what is wrong, for people")
    errors: list[dict[str, Any]] | None = Field(None, description="each field that is not valid")
    error: dict[str, str] | None = Field(None, description="code and message as Segment's Profile API has them")


class OAuthProblem(Body):
    """A refusal of the token endpoint (RFC 6749, section 5.2)."""

    error: str
    error_description: str
    code: str
    message: str


class Token(Body):
    """An access token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="seconds")
    scope: str


class ServerMetadata(Body):
    """What the authorisation server can do (RFC 8414)."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]


class KeySet(Body):
    """The public keys that sign access tokens (RFC 7517)."""

    keys: list[dict[str, JsonValue]]


class Alive(Body):
    status: Literal["alive"]


class Ready(Body):
    """The store is in reach and serves the results of this run."""

    status: Literal["ready"]
    run_id: str
    as_of: datetime


class Identifier(BaseModel):
    """An identifier as anyone would write it; a `customer_id` carries its source, such as `shopify:1234`."""

    type: IdentifierType
    value: IdentifierValue


class LookupRequest(BaseModel):
    identifiers: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_IDENTIFIERS)]


class Traits(Body):
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    date_of_birth: date | None = None
    street: str | None = None
    city: str | None = None
    region: str | None = None
    postcode: str | None = None
    country: str | None = None
    language: str | None = None
    timezone: str | None = None


class TraitEvidence(Body):
    """A value that a source has given for a trait, down to the raw line."""

    trait: str
    value: str
    is_current: bool
    source: str
    observed_at: datetime
    file: str | None
    line_number: int | None


class KnownIdentifier(Body):
    type: str
    value: str
    quality: str
    sources: list[str]
    first_seen_at: datetime
    last_seen_at: datetime


class SegmentMembership(Body):
    segment: str
    entered_at: datetime


class Preference(Body):
    """How well a channel serves the person; the interval is the 90% one."""

    channel: str
    reachable: bool
    score: float | None
    low: float | None
    high: float | None
    received_count: int
    response_count: int
    decayed_received: float = Field(0.0, description="messages received, by weight: it halves with age")
    decayed_responses: float = Field(0.0, description="those of them that were answered, by the same weight")
    prior: float | None = Field(0.0, description="the rate towards which little evidence is drawn")
    prior_weight: float | None = Field(None, description="how many messages that rate weighs")
    half_life_days: float | None = Field(None, description="after how many days evidence weighs half")
    best_hours: list[int] | None = Field(description="weekday hours at which the person looks at messages, best first")
    looked_count: int = Field(0, description="messages looked at on weekdays: the evidence for best_hours")
    weekend_best_hours: list[int] | None = Field(None, description="the same for Saturdays and Sundays")
    weekend_looked_count: int = 0
    timezone: str | None


class Identity(Body):
    """What the profile is made of."""

    observation_count: int
    source_count: int
    confidence: float
    members: list[str] = Field(description="ids of its observations")
    aliases: list[str] = Field(description="ids that were merged into this one")


class TraitStanding(Body):
    """How a core trait is known."""

    trait: str
    status: Literal["declared", "inferred", "missing"]
    inferred_from: str | None = Field(description="what it was inferred from")
    inferred_value: str | None = Field(description="the inferred value, where nobody has given one")


class NextQuestion(Body):
    """A trait to ask for."""

    trait: str
    reason: str = Field(description="what the answer is good for")


class Profile(Body):
    """A person. What `include` did not name is left out."""

    profile_id: str
    traits: Traits
    created_at: datetime
    last_seen_at: datetime
    custom_traits: dict[str, str] | None = Field(None, description="traits of other names, as their sources give them")
    trait_evidence: list[TraitEvidence] | None = None
    segments: list[SegmentMembership] | None = None
    preferences: list[Preference] | None = None
    metrics: dict[str, JsonValue] | None = None
    consent: list[ConsentStanding] | None = None
    identity: Identity | None = None
    identifiers: list[KnownIdentifier] | None = None
    trait_status: list[TraitStanding] | None = None
    next_questions: list[NextQuestion] | None = None
    retired_id: str | None = Field(None, description="the id asked for, where it was merged into this one")
    merged_into: str | None = Field(None, description="the survivor's id, where a retired id was asked for")


class Event(Body):
    """Something that happened on a channel, down to the line that says so."""

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
    amount: str | None = Field(description="decimal")
    currency: str | None
    properties: JsonValue
    observation_id: str
    file: str
    line_number: int


class OfProfile(Body):
    """What is said of a profile, asked for by its id or by one that was merged into it."""

    profile_id: str
    retired_id: str | None = None
    merged_into: str | None = None


class Events(OfProfile):
    """A page of events, newest first."""

    events: list[Event]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page")


class HeldIdentifier(Body):
    type: str
    value: str


class Member(Body):
    """An observation: one way in which a source has described the person."""

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
    """What a profile is made of. `path` is there where it was asked for; null where no evidence joins the two."""

    members: list[Member]
    path: list[PathStep] | None = Field(
        default=None,
        description="the chain whose weakest link is the most probable, of several the shortest; "
        "empty where one observation is both ends",
    )


class PathRequest(BaseModel):
    """Two identifiers of a profile."""

    left: Identifier
    right: Identifier


class Segment(Body):
    """A segment as of the last run, and how many entered and left in it."""

    name: str
    title: str
    words: str = Field(description="the rule in plain words")
    profile_count: int
    entered_count: int
    left_count: int


class Segments(Body):
    segments: list[Segment]


class SegmentMember(Body):
    profile_id: str
    entered_at: datetime


class SegmentMembers(Body):
    """A page of a segment, by profile id."""

    segment: str
    members: list[SegmentMember]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page")


class SpaceCursor(Body):
    """Where the next page of a list begins."""

    url: str
    has_more: bool
    next: str
    limit: int


class SpaceTraits(Body):
    """Segment's Profile API: traits by name; with `verbose` each is {value, source_id, updated_at}."""

    traits: dict[str, JsonValue]
    cursor: SpaceCursor


class SpaceList(Body):
    """Segment's Profile API: external ids, events or links."""

    data: list[dict[str, JsonValue]]
    cursor: SpaceCursor


class SpaceMetadata(Body):
    """Segment's Profile API: created_at, updated_at, expires_at and more."""

    metadata: dict[str, JsonValue]


class ConsentStanding(Body):
    """What was stated for a contact point on a channel (and a topic), and what suppresses it."""

    contact_point_id: str
    type: str
    channel: str
    purpose: str
    topic: str | None
    state: str
    allowed: bool
    entry_id: str | None
    suppressed_by: list[str]


class MatchedIdentifier(Body):
    type: IdentifierType
    value: str = Field(description="normalised")


class LookupAnswer(Body):
    """The profile that the strongest identifier leads to."""

    profile_id: str
    matched: list[MatchedIdentifier]
    ambiguous: bool = Field(description="the identifiers lead to more than one profile")
    candidates: list[str] = Field(description="all profiles found, best first")
    profile: Profile
