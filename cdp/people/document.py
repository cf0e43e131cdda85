"""A profile's document, declared once: what a run publishes, what senders read, and what a blank one contains.

A run writes it as JSON with the SQL that `packed` derives from the parts, the API's schema uses the parts as declared
here, and `current` applies the live layer to it. At run time a document is the parsed JSON, without validation, because
it is read for every message sent.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, WithJsonSchema, with_config
from typing_extensions import TypedDict, get_type_hints

from cdp.fields import CORE_TRAITS
from cdp.metrics.catalogue import METRICS

# ISO 8601, UTC, with milliseconds.
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]

_strict = with_config(ConfigDict(extra="forbid"))


# All core traits by name.
Traits = dict[str, str | None]


@_strict
class TraitEvidence(TypedDict):
    """A value that a source gave for a trait, with its raw line.

    is_claim: only write keys have told it. is_unset: the source has since set the trait to null.
    """

    trait: str
    value: str
    is_current: bool
    source: str
    observed_at: Time
    is_claim: NotRequired[bool]
    is_unset: NotRequired[bool]
    file: str | None
    line_number: int | None


@_strict
class KnownIdentifier(TypedDict):
    """An identifier of the person, its quality, and the sources that reported it.

    is_claim: only write keys have told it.
    """

    type: str
    value: str
    quality: str
    is_claim: NotRequired[bool]
    sources: list[str]
    first_seen_at: Time
    last_seen_at: Time


@_strict
class SegmentMembership(TypedDict):
    """A segment that the person is in."""

    segment: str
    entered_at: Time


@_strict
class Preference(TypedDict):
    """How well a channel reaches the person; `low` and `high` are the 90% interval of the score."""

    channel: str
    reachable: bool
    score: float | None
    low: float | None
    high: float | None
    received_count: int
    response_count: int
    decayed_received: NotRequired[
        Annotated[float, Field(description="messages received, weighted by age with the half-life")]
    ]
    decayed_responses: NotRequired[Annotated[float, Field(description="messages answered, weighted in the same way")]]
    prior: NotRequired[Annotated[float | None, Field(description="the rate assumed where there is little evidence")]]
    prior_weight: NotRequired[
        Annotated[float | None, Field(description="number of messages that the prior counts for")]
    ]
    half_life_days: NotRequired[Annotated[float | None, Field(description="days after which evidence counts half")]]
    best_hours: Annotated[
        list[int] | None, Field(description="weekday hours at which the person opens messages, best first")
    ]
    opened_count: NotRequired[
        Annotated[int, Field(description="messages opened on weekdays: the evidence for best_hours")]
    ]
    weekend_best_hours: NotRequired[
        Annotated[list[int] | None, Field(description="the same for Saturdays and Sundays")]
    ]
    weekend_opened_count: NotRequired[int]
    timezone: str | None


@_strict
class RecentMessage(TypedDict):
    """A message of the week before the run: it counts against frequency caps, and its outcome is part of the scores."""

    channel: str
    message_id: str
    sent_at: Time
    is_received: bool
    is_answered: bool


@_strict
class LastReply(TypedDict):
    """When the person last wrote in a chat that closes, in the week before the run."""

    channel: str
    replied_at: Time


@_strict
class Interest(TypedDict):
    """A product that the person has not bought, with the last time it was viewed, put into the cart, or taken out."""

    product_id: str
    viewed_at: Time | None
    added_at: Time | None
    removed_at: Time | None


@_strict
class PersonProducts(TypedDict):
    """What the person has bought (ids of products, the last first), and shown interest in."""

    bought: list[str]
    interests: list[Interest]


@_strict
class Identity(TypedDict):
    """The observations behind the profile."""

    observation_count: int
    source_count: int
    confidence: float
    members: Annotated[list[str], Field(description="ids of the observations")]
    aliases: Annotated[list[str], Field(description="ids that were merged into this one")]


@_strict
class ProfileDocument(TypedDict):
    """A person. `traits` has every core trait, `metrics` every metric except empty windows.

    Documents published by an earlier version may lack the keys that are not required.
    """

    profile_id: str
    traits: Traits
    identity: Identity
    created_at: Time
    last_seen_at: Time
    metrics: dict[str, Any]
    custom_traits: NotRequired[dict[str, str]]
    identifiers: list[KnownIdentifier]
    trait_evidence: list[TraitEvidence]
    segments: list[SegmentMembership]
    recent_messages: NotRequired[list[RecentMessage]]
    last_replies: NotRequired[list[LastReply]]
    preferences: list[Preference]
    products: NotRequired[PersonProducts]


def blank_document(profile_id: str, seen_at: str) -> ProfileDocument:
    """The document of a person about whom nothing is known except when they were first seen."""
    return ProfileDocument(
        profile_id=profile_id,
        traits=dict.fromkeys(CORE_TRAITS),
        identity=Identity(observation_count=0, source_count=0, confidence=1.0, members=[], aliases=[]),
        created_at=seen_at,
        last_seen_at=seen_at,
        metrics={"profile_id": profile_id, **_NOTHING_DONE},
        custom_traits={},
        identifiers=[],
        trait_evidence=[],
        segments=[],
        recent_messages=[],
        preferences=[],
        products=PersonProducts(bought=[], interests=[]),
    )


def blank_preference(channel: str, *, reachable: bool) -> Preference:
    """The preference of a channel on which nothing was ever sent."""
    return Preference(
        channel=channel,
        reachable=reachable,
        score=None,
        low=None,
        high=None,
        received_count=0,
        response_count=0,
        decayed_received=0.0,
        decayed_responses=0.0,
        prior=None,
        prior_weight=None,
        half_life_days=None,
        best_hours=None,
        opened_count=0,
        weekend_best_hours=None,
        weekend_opened_count=0,
        timezone=None,
    )


_NOTHING_DONE = {
    **{metric.name: 0 if metric.none == "0" else None for metric in METRICS if not metric.window_days},
    "lifecycle_stage": "prospect",
}


def packed(part: type, row: str) -> str:
    """SQL that makes a part of the document as JSON from the columns of `row`, one for each key."""
    hints = get_type_hints(part, include_extras=True)
    columns = (f"{key} := {_column(f'{row}.{key}', hint)}" for key, hint in hints.items())
    return f"to_json(struct_pack({', '.join(columns)}))"


def _column(name: str, hint: object) -> str:
    return f"iso({name})" if hint in (Time, Time | None) else name


def core_traits_packed(row: str) -> str:
    """SQL of the core traits as a struct of texts, from the columns of `row`."""
    return f"struct_pack({', '.join(f'{trait} := cast({row}.{trait} as varchar)' for trait in CORE_TRAITS)})"
