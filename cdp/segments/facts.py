"""What a rule can look at: the facts, one row a profile, and how each kind of fact can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import polars as pl

from cdp import tables
from cdp.channels import MESSAGE_CHANNELS
from cdp.segments.rules import (
    CONSENT_STATES,
    Catalogue,
    ChannelState,
    Comparison,
    Condition,
    EventCondition,
    Sequence,
    TraitComparison,
    conditions_of,
)

# What looks like a number in a text.
NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?"

CHANNEL_ASPECTS = {"reachable": pl.Boolean(), "consent": pl.String(), "suppressed": pl.Boolean()}

# The columns that `field` can name. Amounts are compared as floats, so that both readings see the same number.
FACTS = pl.Schema(
    {
        name: pl.Float64() if kind.is_decimal() else kind
        for name, kind in (tables.PROFILES.polars_schema() | tables.METRICS.polars_schema()).items()
    }
    | {f"{channel}_{aspect}": kind for channel in MESSAGE_CHANNELS for aspect, kind in CHANNEL_ASPECTS.items()}
)

# Of the columns whose words are known, the words.
WORDS: dict[str, tuple[str, ...]] = {
    **{column.name: column.type.allowed for table in (tables.PROFILES, tables.METRICS) for column in table.columns},
    **{f"{channel}_consent": CONSENT_STATES for channel in MESSAGE_CHANNELS},
}

_TIME = pl.Datetime("us", "UTC")
_AGGREGATE_KINDS: dict[str, pl.DataType] = {"count": pl.Int64(), "sum": pl.Float64(), "last": _TIME, "first": _TIME}


def fact_of(
    condition: Comparison | TraitComparison | EventCondition | Sequence | ChannelState,
) -> tuple[str, pl.DataType]:
    """The column of the facts that a condition looks at, and its type. Conditions that look at the same share it."""
    match condition:
        case Comparison():
            return condition.field, FACTS[condition.field]
        case ChannelState():
            return fact_of(condition.comparison)
        case TraitComparison():
            return _key("trait", condition.trait), pl.String()
        case EventCondition():
            looked_at = condition.model_dump_json(include=EVENT_KEYS)
            return _key(condition.aggregate, looked_at), _AGGREGATE_KINDS[condition.aggregate]
        case Sequence():
            return _key("sequence", condition.model_dump_json()), _TIME


EVENT_KEYS = {"event", "event_name", "channel", "where", "within_days", "before_days", "currency"}


def facts_of(catalogue: Catalogue) -> dict[str, tuple[Condition, pl.DataType]]:
    """What a catalogue looks at: column → a condition that looks at it, and the column's type."""
    found: dict[str, tuple[Condition, pl.DataType]] = {}
    for condition in _conditions(catalogue):
        name, kind = fact_of(condition)
        found.setdefault(name, (condition, kind))
    return found


def misfit(rule: Comparison) -> tuple[str, str] | None:
    """The key and the reason why a field cannot be compared like this, if it cannot."""
    if rule.field not in FACTS:
        return "field", f"unknown field {rule.field}: it is no column of profiles.profiles or profiles.metrics"
    kind = FACTS[rule.field]
    suiting = _suiting(kind)
    if rule.operator not in suiting:
        called = _called(kind)
        return rule.operator, f"{rule.field} cannot be compared by {rule.operator}: it is {called}; use {suiting}"
    values = rule.one_of or (() if rule.equals is None else (rule.equals,))
    wrong = next((value for value in values if not _is_of(value, kind)), None)
    if wrong is None:
        words = WORDS.get(rule.field, ())
        unheard = next((value for value in values if words and value not in words), None)
        return (rule.operator, f"{rule.field} is never {unheard}; it is one of {', '.join(words)}") if unheard else None
    shown = str(wrong).lower() if isinstance(wrong, bool) else repr(wrong)
    hint = "; write words such as no, yes, on and off in quotes" if isinstance(wrong, bool) else ""
    return (
        rule.operator,
        f"{rule.field} cannot be compared by {rule.operator} with {shown}: it is {_called(kind)}{hint}",
    )


def _conditions(
    catalogue: Catalogue,
) -> Iterator[Comparison | TraitComparison | EventCondition | Sequence | ChannelState]:
    for segment in catalogue.segments:
        for condition in conditions_of(segment.rule):
            if isinstance(condition, (Comparison, TraitComparison, EventCondition, Sequence, ChannelState)):
                yield condition


def _suiting(kind: pl.DataType) -> str:
    """The operators that suit a kind of fact, in words."""
    if kind == pl.Datetime:
        return "within_days, not_within_days or is_present"
    if kind.is_numeric():
        return "equals, one_of, at_least, at_most or is_present"
    return "equals, one_of or is_present" if kind in (pl.String, pl.Boolean) else "is_present"


def _called(kind: pl.DataType) -> str:
    if kind.is_numeric():
        return "a number"
    named: dict[type[pl.DataType], str] = {pl.Boolean: "true or false", pl.String: "a text", pl.Datetime: "a time"}
    return next((words for kinds, words in named.items() if kind == kinds), "neither text nor number")


def _is_of(value: object, kind: pl.DataType) -> bool:
    if kind == pl.Boolean or isinstance(value, bool):
        return kind == pl.Boolean and isinstance(value, bool)
    return isinstance(value, (int, float)) if kind.is_numeric() else isinstance(value, str)


def _key(kind: str, looked_at: str) -> str:
    return f"{kind}:{hashlib.md5(looked_at.encode(), usedforsecurity=False).hexdigest()}"
