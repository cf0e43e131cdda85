"""The rule of a segment as a tree: `all_of`, `any_of` and `none_of` over conditions on one profile.

Each class is one form of YAML; `cdp/segments/reference.md` shows each with an example. The forms are interpreted twice,
by `running` for all profiles and by `explaining` for one, and the two are tested against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cdp.channels import CHANNEL_NAMES, MESSAGE_CHANNELS
from cdp.fields import EVENT_TYPES, Currency

# A hundred years: longer windows are pointless, and times would underflow.
LONGEST_WINDOW_DAYS = 36_500
# The states that the fold over consents returns (`cdp.consent`).
CONSENT_STATES = ("granted", "pending", "conflicting", "withdrawn", "denied", "missing")

Days = Annotated[int, Field(strict=True, ge=1, le=LONGEST_WINDOW_DAYS)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Scalar = StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | StrictStr
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


def _word_of(kind: str, words: tuple[str, ...]) -> AfterValidator:
    def known(word: str) -> str:
        if word not in words:
            raise ValueError(f"unknown {kind} {word}; use {', '.join(words)}")
        return word

    return AfterValidator(known)


def _in_a_list(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else [value]


EventType = Annotated[str, _word_of("event type", EVENT_TYPES)]
Channel = Annotated[str, _word_of("channel", CHANNEL_NAMES)]
MessageChannel = Annotated[str, _word_of("message channel", MESSAGE_CHANNELS)]
ConsentState = Annotated[str, _word_of("consent state", CONSENT_STATES)]


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_OPERATORS = ("equals", "one_of", "at_least", "at_most", "within_days", "not_within_days", "is_present")


class _Test(_Node):
    """A comparison: exactly one of the operators is given."""

    @model_validator(mode="after")
    def _compares_once(self) -> Self:
        given = [name for name in self.model_fields_set if name in self.operators()]
        if len(given) != 1 or getattr(self, given[0]) is None:
            raise ValueError(f"exactly one of {', '.join(self.operators())} is required, with a value")
        return self

    @classmethod
    def operators(cls) -> tuple[str, ...]:
        """The names of the operators that this comparison accepts."""
        return tuple(name for name in cls.model_fields if name in _OPERATORS)

    @property
    def operator(self) -> str:
        return next(name for name in self.operators() if getattr(self, name) is not None)

    @property
    def operand(self) -> Any:
        return getattr(self, self.operator)


class _Window(_Node):
    """A window of time: later than `within_days` ago, and not later than `before_days` ago."""

    within_days: Days | None = None
    before_days: Days | None = None

    @field_validator("before_days")
    @classmethod
    def _lies_within(cls, before: int | None, info: ValidationInfo) -> int | None:
        within = info.data.get("within_days")
        if before is not None and within is not None and before >= within:
            raise ValueError(f"impossible window: nothing is both within {within} and before {before} days ago")
        return before


class _ValueTest(_Test):
    equals: Scalar | None = None
    one_of: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    is_present: StrictBool | None = None


class Comparison(_Window, _ValueTest):
    """A column of profiles.profiles, of profiles.metrics or of a channel's state, compared with a value.

    `within_days` and `not_within_days` compare times with the run's as-of time. A missing value fulfils only
    `is_present: false` and `not_within_days`.
    """

    field: str
    not_within_days: Days | None = None

    @field_validator("before_days")
    @classmethod
    def _narrows_a_window(cls, before: int | None, info: ValidationInfo) -> int | None:
        if before is not None and info.data.get("within_days") is None:
            raise ValueError("before_days requires within_days")
        return before


class TraitComparison(_ValueTest):
    """The current value of any trait of profiles.traits. Values are text; a numeric text also compares as a number."""

    trait: Annotated[str, Field(min_length=1)]


class CountTest(_Test):
    """How many."""

    equals: Annotated[int, Field(strict=True, ge=0)] | None = None
    at_least: Annotated[int, Field(strict=True, ge=1)] | None = None
    at_most: Annotated[int, Field(strict=True, ge=0)] | None = None


class SumTest(_Test):
    """How much."""

    at_least: Number | None = None
    at_most: Number | None = None


class TimeTest(_Test):
    """How long ago."""

    within_days: Days | None = None
    not_within_days: Days | None = None


class EventMatch(_Node):
    """Events of one of these types and, if given, with this name, channel and these properties.

    Properties are the source's own (conformed.events.properties), at the top level; a list matches any of its values.
    An order reported by several sources is one event.
    """

    event: Annotated[tuple[EventType, ...], Field(min_length=1)]
    event_name: StrictStr | None = None
    channel: Channel | None = None
    where: Mapping[str, Annotated[tuple[Scalar, ...], Field(min_length=1)]] = {}

    @field_validator("event", mode="before")
    @classmethod
    def _types(cls, value: object) -> object:
        return _in_a_list(value)

    @field_validator("where", mode="before")
    @classmethod
    def _values(cls, value: object) -> object:
        return {name: _in_a_list(one) for name, one in value.items()} if isinstance(value, dict) else value


class EventsInWindow(_Window, EventMatch):
    """Events within a window of time; without one, all events."""


AGGREGATES = ("count", "sum", "last", "first")


class EventCondition(EventsInWindow):
    """Events within a window: at least one exists, or their count, sum of amounts, last or first time is compared.

    `sum` adds amounts in `currency`, or else in the profile's main currency (profiles.metrics.currency). Without events
    the sum is 0, and `last` and `first` fulfil only `not_within_days`.
    """

    count: CountTest | None = None
    sum: SumTest | None = None
    currency: Annotated[str, StringConstraints(pattern=Currency.pattern)] | None = None
    last: TimeTest | None = None
    first: TimeTest | None = None

    @field_validator("last", "first")
    @classmethod
    def _can_be(cls, test: TimeTest | None, info: ValidationInfo) -> TimeTest | None:
        before = info.data.get("before_days")
        if test and test.within_days and before and before >= test.within_days:
            raise ValueError(
                f"impossible window: nothing is both within {test.within_days} and before {before} days ago"
            )
        return test

    @model_validator(mode="after")
    def _compares_one_thing(self) -> Self:
        if sum(getattr(self, name) is not None for name in AGGREGATES) > 1:
            raise ValueError(f"only one of {', '.join(AGGREGATES)} is allowed; combine several with all_of")
        if self.currency and not self.sum:
            raise ValueError("currency requires sum")
        return self

    @property
    def aggregate(self) -> str:
        """The value that is compared: one of AGGREGATES."""
        return next((name for name in AGGREGATES if getattr(self, name) is not None), "count")

    @property
    def test(self) -> CountTest | SumTest | TimeTest:
        return getattr(self, self.aggregate) or CountTest(at_least=1)


class Steps(_Node):
    """`first`, followed within so many days by `then`, or not followed by `then_not`.

    Later means strictly later. `then_not` only holds once its days are over, because it is undecided until then.
    """

    first: EventsInWindow
    then: EventMatch | None = None
    then_not: EventMatch | None = None
    within_days: Days

    @field_validator("within_days")
    @classmethod
    def _fits(cls, days: int, info: ValidationInfo) -> int:
        first = info.data.get("first")
        reaches_back = first.within_days if first else None
        if info.data.get("then_not") and reaches_back and reaches_back <= days:
            raise ValueError(
                f"impossible window: for events of the last {reaches_back} days, {days} days are not over yet"
            )
        return days

    @model_validator(mode="after")
    def _goes_on_once(self) -> Self:
        if (self.then is None) == (self.then_not is None):
            raise ValueError("exactly one of then, then_not is required")
        return self

    @property
    def second(self) -> EventMatch:
        found = self.then or self.then_not
        assert found is not None
        return found


class Sequence(_Node):
    """Something happened, and something else did or did not happen soon after."""

    sequence: Steps


class ChannelState(_Node):
    """The state of a channel (segments.channel_states): one of `reachable`, `consent` and `suppressed`."""

    channel: MessageChannel
    reachable: StrictBool | None = None
    consent: Annotated[tuple[ConsentState, ...], Field(min_length=1)] | None = None
    suppressed: StrictBool | None = None

    @field_validator("consent", mode="before")
    @classmethod
    def _states(cls, value: object) -> object:
        return None if value is None else _in_a_list(value)

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if sum(value is not None for value in (self.reachable, self.consent, self.suppressed)) != 1:
            raise ValueError("exactly one of reachable, consent, suppressed is required")
        return self

    @property
    def comparison(self) -> Comparison:
        """The equivalent comparison of a column."""
        if self.consent is not None:
            return Comparison(field=f"{self.channel}_consent", one_of=self.consent)
        aspect = "suppressed" if self.reachable is None else "reachable"
        return Comparison(field=f"{self.channel}_{aspect}", equals=getattr(self, aspect))


class SegmentReference(_Node):
    """Membership in another segment of the catalogue."""

    segment: str


class AllOf(_Node):
    """Every nested rule holds."""

    all_of: tuple[Rule, ...] = Field(min_length=1)


class AnyOf(_Node):
    """At least one nested rule holds."""

    any_of: tuple[Rule, ...] = Field(min_length=1)


class NoneOf(_Node):
    """No nested rule holds."""

    none_of: tuple[Rule, ...] = Field(min_length=1)


# The key that identifies each form. An event may also name a channel, so `event` is checked first.
FORMS: Mapping[str, type[_Node]] = {
    "all_of": AllOf,
    "any_of": AnyOf,
    "none_of": NoneOf,
    "field": Comparison,
    "trait": TraitComparison,
    "event": EventCondition,
    "sequence": Sequence,
    "channel": ChannelState,
    "segment": SegmentReference,
}
# Tags appear in error locations among YAML keys; the prefix distinguishes them.
TAG = "rule:"


def _tag(rule: object) -> str | None:
    if isinstance(rule, dict):
        return next((TAG + key for key in FORMS if key in rule), None)
    return next((TAG + key for key, form in FORMS.items() if isinstance(rule, form)), None)


Condition = Comparison | TraitComparison | EventCondition | Sequence | ChannelState | SegmentReference
Rule = Annotated[
    Annotated[AllOf, Tag("rule:all_of")]
    | Annotated[AnyOf, Tag("rule:any_of")]
    | Annotated[NoneOf, Tag("rule:none_of")]
    | Annotated[Comparison, Tag("rule:field")]
    | Annotated[TraitComparison, Tag("rule:trait")]
    | Annotated[EventCondition, Tag("rule:event")]
    | Annotated[Sequence, Tag("rule:sequence")]
    | Annotated[ChannelState, Tag("rule:channel")]
    | Annotated[SegmentReference, Tag("rule:segment")],
    Discriminator(
        _tag,
        custom_error_type="no_rule",
        custom_error_message=f"a rule must have one of the keys {', '.join(FORMS)}",
    ),
]


class Segment(_Node):
    """A named rule."""

    name: Name
    title: Annotated[str, Field(min_length=1)]
    rule: Rule


class Catalogue(_Node):
    """Segments in order. `load_catalogue` also checks the rules against each other and against their fields."""

    version: Literal[1]
    segments: tuple[Segment, ...]


def children(rule: Rule) -> tuple[Rule, ...]:
    """The rules directly nested in a rule; none for a condition."""
    match rule:
        case AllOf():
            return rule.all_of
        case AnyOf():
            return rule.any_of
        case NoneOf():
            return rule.none_of
    return ()


def conditions_of(rule: Rule) -> Iterator[Condition]:
    """All conditions of a rule."""
    if isinstance(rule, (AllOf, AnyOf, NoneOf)):
        for child in children(rule):
            yield from conditions_of(child)
    else:
        yield rule
