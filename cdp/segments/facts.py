"""The facts that rules can use, one row per profile, and how each type of fact can be compared."""

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

# A text that counts as a number.
NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?"

CHANNEL_ASPECTS = {"reachable": pl.Boolean(), "consent": pl.String(), "suppressed": pl.Boolean()}

# The columns that `field` can name. Amounts are compared as floats, so that both interpretations see the same number.
FACTS = pl.Schema(
    {
        name: pl.Float64() if kind.is_decimal() else kind
        for name, kind in (tables.PROFILES.polars_schema() | tables.METRICS.polars_schema()).items()
    }
    | {f"{channel}_{aspect}": kind for channel in MESSAGE_CHANNELS for aspect, kind in CHANNEL_ASPECTS.items()}
)

# The allowed values of each column; empty if any value is allowed.
ALLOWED_VALUES: dict[str, tuple[str, ...]] = {
    **{column.name: column.type.allowed for table in (tables.PROFILES, tables.METRICS) for column in table.columns},
    **{f"{channel}_consent": CONSENT_STATES for channel in MESSAGE_CHANNELS},
}

_TIME = pl.Datetime("us", "UTC")
_AGGREGATE_KINDS: dict[str, pl.DataType] = {"count": pl.Int64(), "sum": pl.Float64(), "last": _TIME, "first": _TIME}


def fact_of(
    condition: Comparison | TraitComparison | EventCondition | Sequence | ChannelState,
) -> tuple[str, pl.DataType]:
    """The fact column that a condition uses, and its type. Conditions that use the same fact share a column."""
    match condition:
        case Comparison():
            return condition.field, FACTS[condition.field]
        case ChannelState():
            return fact_of(condition.comparison)
        case TraitComparison():
            return _key("trait", condition.trait), pl.String()
        case EventCondition():
            selection = condition.model_dump_json(include=EVENT_KEYS)
            return _key(condition.aggregate, selection), _AGGREGATE_KINDS[condition.aggregate]
        case Sequence():
            return _key("sequence", condition.model_dump_json()), _TIME


EVENT_KEYS = {"event", "event_name", "channel", "where", "within_days", "before_days", "currency"}


def facts_of(catalogue: Catalogue) -> dict[str, tuple[Condition, pl.DataType]]:
    """The facts that a catalogue needs: column → a condition that uses it, and the column's type."""
    found: dict[str, tuple[Condition, pl.DataType]] = {}
    for condition in _conditions(catalogue):
        name, kind = fact_of(condition)
        found.setdefault(name, (condition, kind))
    return found


def comparison_problem(rule: Comparison) -> tuple[str, str] | None:
    """The key and the reason why a comparison does not fit its field, if it does not."""
    if rule.field not in FACTS:
        return "field", f"unknown field {rule.field}: not a column of profiles.profiles or profiles.metrics"
    kind = FACTS[rule.field]
    operators = _operators_for(kind)
    if rule.operator not in operators:
        name = _name_of(kind)
        return rule.operator, f"{rule.operator} does not apply to {rule.field}, which is {name}; use {operators}"
    values = rule.one_of or (() if rule.equals is None else (rule.equals,))
    wrong = next((value for value in values if not _is_of(value, kind)), None)
    if wrong is None:
        allowed = ALLOWED_VALUES.get(rule.field, ())
        unknown = next((value for value in values if allowed and value not in allowed), None)
        return (rule.operator, f"{rule.field} is never {unknown}; use {', '.join(allowed)}") if unknown else None
    shown = str(wrong).lower() if isinstance(wrong, bool) else repr(wrong)
    hint = "; write words such as no, yes, on and off in quotes" if isinstance(wrong, bool) else ""
    return (
        rule.operator,
        f"{rule.field} cannot be compared with {shown}: it is {_name_of(kind)}{hint}",
    )


def _conditions(
    catalogue: Catalogue,
) -> Iterator[Comparison | TraitComparison | EventCondition | Sequence | ChannelState]:
    for segment in catalogue.segments:
        for condition in conditions_of(segment.rule):
            if isinstance(condition, (Comparison, TraitComparison, EventCondition, Sequence, ChannelState)):
                yield condition


def _operators_for(kind: pl.DataType) -> str:
    """The operators that apply to a type of fact, in words."""
    if kind == pl.Datetime:
        return "within_days, not_within_days or is_present"
    if kind.is_numeric():
        return "equals, one_of, at_least, at_most or is_present"
    return "equals, one_of or is_present" if kind in (pl.String, pl.Boolean) else "is_present"


def _name_of(kind: pl.DataType) -> str:
    if kind.is_numeric():
        return "a number"
    named: dict[type[pl.DataType], str] = {pl.Boolean: "true or false", pl.String: "text", pl.Datetime: "a time"}
    return next((name for kinds, name in named.items() if kind == kinds), "neither text nor a number")


def _is_of(value: object, kind: pl.DataType) -> bool:
    if kind == pl.Boolean or isinstance(value, bool):
        return kind == pl.Boolean and isinstance(value, bool)
    return isinstance(value, (int, float)) if kind.is_numeric() else isinstance(value, str)


def _key(kind: str, content: str) -> str:
    return f"{kind}:{hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()}"
