"""The rule of a segment as a tree: `all_of`, `any_of` and `none_of` over conditions on one profile.

Every class is one form of YAML; `cdp/segments/reference.md` shows each with an example. What a form means is said
twice, by `running` for everybody and by `explaining` for one profile, and the two are tested against each other.
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

# A hundred years: beyond it a window says nothing, and times run out.
LONGEST_WINDOW_DAYS = 36_500
# What the fold over consents says (`cdp.consent`), besides the states that can be stated.
CONSENT_STATES = ("granted", "pending", "conflicting", "withdrawn", "denied", "missing")

Days = Annotated[int, Field(strict=True, ge=1, le=LONGEST_WINDOW_DAYS)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Scalar = StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | StrictStr
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


def _word_of(kind: str, words: tuple[str, ...]) -> AfterValidator:
    def known(word: str) -> str:
        if word not in words:
            raise ValueError(f"there is no {kind} {word}; there are {', '.join(words)}")
        return word

    return AfterValidator(known)


def _in_a_list(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else [value]


EventType = Annotated[str, _word_of("event type", EVENT_TYPES)]
Channel = Annotated[str, _word_of("channel", CHANNEL_NAMES)]
MessageChannel = Annotated[str, _word_of("channel with addresses", MESSAGE_CHANNELS)]
ConsentState = Annotated[str, _word_of("state of consent", CONSENT_STATES)]


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_OPERATORS = ("equals", "one_of", "at_least", "at_most", "within_days", "not_within_days", "is_present")


class _Test(_Node):
    """Holds a value against another one: exactly one of the operators is given."""

    @model_validator(mode="after")
    def _compares_once(self) -> Self:
        given = [name for name in self.model_fields_set if name in self.operators()]
        if len(given) != 1 or getattr(self, given[0]) is None:
            raise ValueError(f"give exactly one comparison of {', '.join(self.operators())}, with a value")
        return self

    @classmethod
    def operators(cls) -> tuple[str, ...]:
        """The names of the operators, one of which is given."""
        return tuple(name for name in cls.model_fields if name in _OPERATORS)

    @property
    def operator(self) -> str:
        return next(name for name in self.operators() if getattr(self, name) is not None)

    @property
    def operand(self) -> Any:
        return getattr(self, self.operator)


class _Window(_Node):
    """The time looked at: after `within_days` ago, and not after `before_days` ago."""

    within_days: Days | None = None
    before_days: Days | None = None

    @field_validator("before_days")
    @classmethod
    def _lies_within(cls, before: int | None, info: ValidationInfo) -> int | None:
        within = info.data.get("within_days")
        if before is not None and within is not None and before >= within:
            raise ValueError(f"an impossible window: nothing is within {within} and before {before} days ago")
        return before


class _ValueTest(_Test):
    equals: Scalar | None = None
    one_of: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    is_present: StrictBool | None = None


class Comparison(_Window, _ValueTest):
    """A column of profiles.profiles, of profiles.metrics or of the state of a channel, held against a value.

    `within_days` and `not_within_days` look at times, before the run's as-of time. A missing value fulfils only
    `is_present: false` and `not_within_days`.
    """

    field: str
    not_within_days: Days | None = None

    @field_validator("before_days")
    @classmethod
    def _narrows_a_window(cls, before: int | None, info: ValidationInfo) -> int | None:
        if before is not None and info.data.get("within_days") is None:
            raise ValueError("before_days narrows within_days, which is not given")
        return before


class TraitComparison(_ValueTest):
    """The current value of any trait of profiles.traits. Values are texts; one that looks like a number is one."""

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
    """Which events: of one of these types and, as far as given, of this name, channel and these properties.

    Properties are those that the source tells (conformed.events.properties), at the top level; a list means one of
    its values. An order that several sources report is one event.
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
    """Events of a window of time; without one, all that are known."""


AGGREGATES = ("count", "sum", "last", "first")


class EventCondition(EventsInWindow):
    """Events of a window: there is one, or their count, the sum of their amounts, the last or the first is compared.

    `sum` adds amounts in `currency`, else in the profile's main currency (profiles.metrics.currency). Without events
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
            raise ValueError(f"an impossible window: nothing is within {test.within_days} and before {before} days ago")
        return test

    @model_validator(mode="after")
    def _compares_one_thing(self) -> Self:
        if sum(getattr(self, name) is not None for name in AGGREGATES) > 1:
            raise ValueError(f"compare one of {', '.join(AGGREGATES)}; join several with all_of")
        if self.currency and not self.sum:
            raise ValueError("currency goes with sum; use where or all_of for the rest")
        return self

    @property
    def aggregate(self) -> str:
        """What is compared: one of AGGREGATES."""
        return next((name for name in AGGREGATES if getattr(self, name) is not None), "count")

    @property
    def test(self) -> CountTest | SumTest | TimeTest:
        return getattr(self, self.aggregate) or CountTest(at_least=1)


class Steps(_Node):
    """`first`, and within so many days after it `then`, or else nothing of `then_not`.

    Later means strictly later. `then_not` counts from when its days are over: until then it is not known.
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
                f"an impossible window: what happened in the last {reaches_back} days has not waited {days} days"
            )
        return days

    @model_validator(mode="after")
    def _goes_on_once(self) -> Self:
        if (self.then is None) == (self.then_not is None):
            raise ValueError("give one of then, then_not")
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
    """What may be done on a channel (segments.channel_states): one of `reachable`, `consent` and `suppressed`."""

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
            raise ValueError("give exactly one of reachable, consent, suppressed")
        return self

    @property
    def comparison(self) -> Comparison:
        """The same as a comparison of a column."""
        if self.consent is not None:
            return Comparison(field=f"{self.channel}_consent", one_of=self.consent)
        aspect = "suppressed" if self.reachable is None else "reachable"
        return Comparison(field=f"{self.channel}_{aspect}", equals=getattr(self, aspect))


class SegmentReference(_Node):
    """Being in another segment of the catalogue."""

    segment: str


class AllOf(_Node):
    """Every rule below it holds."""

    all_of: tuple[Rule, ...] = Field(min_length=1)


class AnyOf(_Node):
    """At least one rule below it holds."""

    any_of: tuple[Rule, ...] = Field(min_length=1)


class NoneOf(_Node):
    """No rule below it holds."""

    none_of: tuple[Rule, ...] = Field(min_length=1)


# The key that tells a form from the others. An event may name a channel, so its key is looked for first.
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
# A tag stands in the place of an error beside the names of YAML, and must not be one of them.
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
        custom_error_message=f"a rule has one of the keys {', '.join(FORMS)}",
    ),
]


class Segment(_Node):
    """A named rule."""

    name: Name
    title: Annotated[str, Field(min_length=1)]
    rule: Rule


class Catalogue(_Node):
    """Segments in their order. `load_catalogue` checks what one form alone does not show."""

    version: Literal[1]
    segments: tuple[Segment, ...]


def children(rule: Rule) -> tuple[Rule, ...]:
    """The rules right below a rule: none below a condition."""
    match rule:
        case AllOf():
            return rule.all_of
        case AnyOf():
            return rule.any_of
        case NoneOf():
            return rule.none_of
    return ()


def conditions_of(rule: Rule) -> Iterator[Condition]:
    """The conditions at the leaves of a rule."""
    if isinstance(rule, (AllOf, AnyOf, NoneOf)):
        for child in children(rule):
            yield from conditions_of(child)
    else:
        yield rule
