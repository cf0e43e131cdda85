"""Runs rules over all profiles, as expressions over their facts."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import polars as pl

from cdp.segments.catalogue import in_order
from cdp.segments.facts import NUMBER, fact_of
from cdp.segments.rules import (
    AllOf,
    AnyOf,
    Catalogue,
    ChannelState,
    Comparison,
    EventCondition,
    NoneOf,
    Rule,
    SegmentReference,
    Sequence,
    TraitComparison,
)


def memberships(facts: pl.LazyFrame, catalogue: Catalogue, as_of: datetime) -> pl.DataFrame:
    """profile_id, segment: all memberships, sorted by segment and profile_id, in one pass over the facts.

    Args:
        facts: one row per profile: profile_id, and the columns that `facts_of` names.
    """
    judged = facts
    for group in in_order(catalogue):
        judged = judged.with_columns(condition(segment.rule, as_of).alias(_column(segment.name)) for segment in group)
    names = [segment.name for segment in catalogue.segments]
    profiles = judged.select("profile_id", *map(_column, names)).sort("profile_id").collect()
    members = [
        profiles.lazy().filter(pl.col(_column(name))).select("profile_id", segment=pl.lit(name))
        for name in sorted(names)
    ]
    return pl.concat([_no_members(facts), *members]).collect()


def condition(rule: Rule, as_of: datetime) -> pl.Expr:
    """The rule as an expression over the facts: true or false, never null."""
    match rule:
        case AllOf():
            return pl.all_horizontal(condition(child, as_of) for child in rule.all_of)
        case AnyOf():
            return pl.any_horizontal(condition(child, as_of) for child in rule.any_of)
        case NoneOf():
            return ~pl.any_horizontal(condition(child, as_of) for child in rule.none_of)
        case SegmentReference():
            return pl.col(_column(rule.segment))
        case Sequence():
            return pl.col(fact_of(rule)[0]).is_not_null()
        case ChannelState():
            return condition(rule.comparison, as_of)
        case EventCondition():
            return _test(pl.col(fact_of(rule)[0]), rule.test, None, as_of)
        case TraitComparison():
            return _trait(pl.col(fact_of(rule)[0]), rule)
        case Comparison():
            return _test(pl.col(rule.field), rule, rule.before_days, as_of)


def _test(column: pl.Expr, test: Any, before_days: int | None, as_of: datetime) -> pl.Expr:
    operator: str = test.operator
    operand: Any = test.operand
    match operator:
        case "is_present":
            return column.is_not_null() if operand else column.is_null()
        case "within_days":
            return _within(column, as_of, operand, before_days)
        case "not_within_days":
            return ~_within(column, as_of, operand, None)
        case "one_of":
            return _one_of(column, operand).fill_null(False)
        case "at_least":
            return column.ge(operand).fill_null(False)
        case "at_most":
            return column.le(operand).fill_null(False)
        case _:
            return column.eq(operand).fill_null(False)


def _one_of(column: pl.Expr, values: tuple[Any, ...]) -> pl.Expr:
    # Polars does not compare a column with a list of numbers of another type.
    are_numbers = not isinstance(values[0], (str, bool))
    return column.cast(pl.Float64).is_in([float(value) for value in values]) if are_numbers else column.is_in(values)


def _within(column: pl.Expr, as_of: datetime, days: int, before_days: int | None) -> pl.Expr:
    inside = column > as_of - timedelta(days=days)
    if before_days is not None:
        inside &= column <= as_of - timedelta(days=before_days)
    return inside.fill_null(False)


def _trait(text: pl.Expr, rule: TraitComparison) -> pl.Expr:
    number = pl.when(text.str.contains(f"^(?:{NUMBER})$")).then(text).cast(pl.Float64, strict=False)
    match rule.operator:
        case "is_present":
            return text.is_not_null() if rule.is_present else text.is_null()
        case "at_least":
            return (number >= rule.at_least).fill_null(False)
        case "at_most":
            return (number <= rule.at_most).fill_null(False)
    values = rule.one_of or (rule.equals,)
    return reduce(or_, (_is(text, number, value) for value in values)).fill_null(False)


def _is(text: pl.Expr, number: pl.Expr, value: Any) -> pl.Expr:
    """Whether a text stands for a value; false if a number is expected and the text is none."""
    if isinstance(value, bool):
        return text == str(value).lower()
    return (number == value).fill_null(False) if isinstance(value, (int, float)) else text == value


def _column(segment: str) -> str:
    """The column with a segment's members; prefixed, because a segment may have the name of a fact."""
    return f"segment:{segment}"


def _no_members(facts: pl.LazyFrame) -> pl.LazyFrame:
    return facts.select("profile_id", segment=pl.lit("")).limit(0)
