"""A profile's document, declared once: what a run publishes, what senders read, and what a blank one holds.

A run writes it as JSON with the SQL that `packed` makes of the parts, the API documents the parts as they stand here,
and `current` lays over it what has come in live. At run time a document is the dictionary that its JSON text gives, and
nothing checks it there: it is read for every message that is sent.
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


# Every core trait by its name.
Traits = dict[str, str | None]


@_strict
class TraitEvidence(TypedDict):
    """A value that a source has given for a trait, down to the raw line."""

    trait: str
    value: str
    is_current: bool
    source: str
    observed_at: Time
    file: str | None
    line_number: int | None


@_strict
class KnownIdentifier(TypedDict):
    """An identifier of the person, what it is worth, and who has told it."""

    type: str
    value: str
    quality: str
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
    """How well a channel serves the person; the interval is the 90% one."""

    channel: str
    reachable: bool
    score: float | None
    low: float | None
    high: float | None
    received_count: int
    response_count: int
    decayed_received: NotRequired[
        Annotated[float, Field(description="messages received, by weight: it halves with age")]
    ]
    decayed_responses: NotRequired[
        Annotated[float, Field(description="those of them that were answered, by the same weight")]
    ]
    prior: NotRequired[Annotated[float | None, Field(description="the rate towards which little evidence is drawn")]]
    prior_weight: NotRequired[Annotated[float | None, Field(description="how many messages that rate weighs")]]
    half_life_days: NotRequired[Annotated[float | None, Field(description="after how many days evidence weighs half")]]
    best_hours: Annotated[
        list[int] | None, Field(description="weekday hours at which the person looks at messages, best first")
    ]
    looked_count: NotRequired[
        Annotated[int, Field(description="messages looked at on weekdays: the evidence for best_hours")]
    ]
    weekend_best_hours: NotRequired[
        Annotated[list[int] | None, Field(description="the same for Saturdays and Sundays")]
    ]
    weekend_looked_count: NotRequired[int]
    timezone: str | None


@_strict
class RecentMessage(TypedDict):
    """A message of the week before the run: it counts against frequency caps, and its outcome is in the scores."""

    channel: str
    message_id: str
    sent_at: Time
    is_received: bool
    is_answered: bool


@_strict
class Identity(TypedDict):
    """What the profile is made of."""

    observation_count: int
    source_count: int
    confidence: float
    members: Annotated[list[str], Field(description="ids of its observations")]
    aliases: Annotated[list[str], Field(description="ids that were merged into this one")]


@_strict
class ProfileDocument(TypedDict):
    """A person. `traits` has every core trait, `metrics` every metric but empty windows.

    Documents that an earlier version has published lack what is not required.
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
    preferences: list[Preference]


def blank_document(profile_id: str, seen_at: str) -> ProfileDocument:
    """The document of somebody of whom nothing is known but that they were seen."""
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
        looked_count=0,
        weekend_best_hours=None,
        weekend_looked_count=0,
        timezone=None,
    )


_NOTHING_DONE = {
    **{metric.name: 0 if metric.none == "0" else None for metric in METRICS if not metric.window_days},
    "lifecycle_stage": "prospect",
}


def packed(part: type, row: str) -> str:
    """SQL of a part of the document as JSON, from the columns of `row`, which has one for each key."""
    hints = get_type_hints(part, include_extras=True)
    columns = (f"{key} := {_column(f'{row}.{key}', hint)}" for key, hint in hints.items())
    return f"to_json(struct_pack({', '.join(columns)}))"


def _column(name: str, hint: object) -> str:
    return f"iso({name})" if hint is Time or hint == Time else name
