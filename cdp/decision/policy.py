"""The policy: the rules for senders, as a typed file (`CDP_POLICY`; by default `data/policy.yaml`)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from datetime import time, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from cdp.channels import MESSAGE_CHANNELS
from cdp.consent import ConsentRules
from cdp.errors import InputRefused
from cdp.yaml_files import read_yaml

MessageChannel = Annotated[str, StringConstraints(pattern=f"^({'|'.join(MESSAGE_CHANNELS)})$")]
Capped = Annotated[str, StringConstraints(pattern=f"^({'|'.join(MESSAGE_CHANNELS)}|all)$")]
Urgency = Annotated[str, StringConstraints(pattern="^(low|normal|high)$")]

_HINT = "Compare with the shipped data/policy.yaml, which explains each field"


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _quoted(value: object) -> object:
    # YAML 1.1 reads 21:00 as the number 1260.
    if not isinstance(value, (str, time)):
        raise ValueError('write a time of day in quotes, such as "21:00"')
    return value


@cache
def _zones() -> Set[str]:
    return available_timezones()


def _is_zone(name: str) -> str:
    if name != "refuse" and name not in _zones():
        raise ValueError("must be an IANA time zone, such as Europe/Zurich, or `refuse`")
    return name


TimeOfDay = Annotated[time, BeforeValidator(_quoted)]


class Purpose(_Node):
    """The rules for messages of a purpose. Suppressions and quiet hours apply to all purposes.

    on_unknown: what to do with a message whose answer was lost, so that nobody knows whether it was taken.
    """

    needs_consent: bool
    is_capped: bool
    on_unknown: Literal["leave", "resend"] = "leave"


class QuietHours(_Node):
    """Local times of day without messages: `starts_at` is quiet, `ends_at` is not. May span midnight."""

    starts_at: TimeOfDay = Field(alias="from")
    ends_at: TimeOfDay = Field(alias="until")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.starts_at == self.ends_at:
            raise ValueError("`from` and `until` are the same; omit the channel if it has no quiet hours")
        return self

    def hold_at(self, local: time) -> bool:
        """Whether this time of day is quiet."""
        if self.starts_at < self.ends_at:
            return self.starts_at <= local < self.ends_at
        return local >= self.starts_at or local < self.ends_at

    @cached_property
    def complement(self) -> QuietHours:
        """The rest of the day."""
        return QuietHours(starts_at=self.ends_at, ends_at=self.starts_at)


class Cap(_Node):
    """The maximum number of messages to a person in any 24 hours and in any 7 days."""

    per_day: int | None = Field(None, ge=1)
    per_week: int | None = Field(None, ge=1)


class Scores(_Node):
    """How a channel is scored: see `cdp/decision/posterior.py`. Null: the value fitted to the data by the last run."""

    half_life_days: float | None = Field(gt=0)
    prior_weight: float | None = Field(gt=0)
    reply_weight: float = Field(ge=0, le=1)
    unknown_rate: float = Field(gt=0, lt=1)


class Fallback(_Node):
    """The condition for trying the next channel."""

    when: Literal["not_delivered", "failed"]
    after_hours: float = Field(ge=0)

    @property
    def delay(self) -> timedelta:
        return timedelta(hours=self.after_hours)


class OfferRules(_Node):
    """What happens when a person who holds an offer is to get another one for the same scope."""

    on_conflict: Literal["block", "keep_first_terms", "supersede"] = "block"
    open_ended_days: float = Field(30, gt=0)


class Policy(_Node):
    """A policy. Decisions carry its `version`; its whole content is stored with them."""

    version: str = Field(min_length=1, max_length=64)
    purposes: Mapping[str, Purpose]
    quiet_hours: Mapping[MessageChannel, QuietHours]
    timezone_unknown: Annotated[str, AfterValidator(_is_zone)]
    frequency_caps: Mapping[Capped, Cap]
    scores: Scores
    delay_halves_score_after_hours: Mapping[Urgency, Annotated[float, Field(gt=0)] | None]
    consent: ConsentRules
    fallbacks: Mapping[MessageChannel, Fallback]
    offers: OfferRules = OfferRules()
    holdout_share: float = Field(0, ge=0, lt=1)
    longest_wait_hours: float = Field(gt=0)
    valid_for_hours: float = Field(gt=0)

    def require_purpose(self, purpose: str) -> Purpose:
        """The purpose of this name.

        Raises:
            InputRefused: the policy has none.
        """
        if purpose not in self.purposes:
            raise InputRefused("unknown purpose", hint=f"Purposes are {', '.join(self.purposes)}")
        return self.purposes[purpose]

    @cached_property
    def document(self) -> str:
        """The whole policy as JSON text; `Policy.model_validate_json` reads it."""
        return self.model_dump_json(by_alias=True)

    @cached_property
    def digest(self) -> str:
        """Distinguishes policies even if the version was not changed."""
        return hashlib.sha256(self.document.encode()).hexdigest()[:32]


def load_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        ConfigurationError: the file is missing, not YAML or invalid; names file, line and field.
    """
    document = read_yaml(path, "the policy")
    try:
        return Policy.model_validate(document.content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the policy"
        raise document.refusal(first["loc"], f"{field}: {first['msg']}", _HINT) from error
