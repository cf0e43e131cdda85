"""Explains a rule for one profile: which conditions hold, and for which values.

It goes through the profile's events one by one, without SQL or frames, so that it is an interpretation of rules
independent of `running`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cdp.segments import rules
from cdp.segments.facts import NUMBER
from cdp.segments.rules import (
    AllOf,
    AnyOf,
    Catalogue,
    ChannelState,
    Comparison,
    EventCondition,
    EventMatch,
    NoneOf,
    Rule,
    SegmentReference,
    TraitComparison,
    children,
)
from cdp.segments.wording import heading

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """One profile.

    facts: columns of `FACTS` by name; money as floats.
    traits: the current value of each trait, as text.
    events: event_type, event_name, channel, occurred_at (UTC), amount, currency, properties (JSON text), none after the
        as-of time; an order reported by several sources appears once.
    """

    facts: Mapping[str, Any]
    traits: Mapping[str, str]
    events: Sequence[Event]


@dataclass(frozen=True)
class Finding:
    """Whether a condition held, the value it looked at, and the findings of its nested conditions."""

    condition: str
    held: bool
    value: Any = None
    parts: tuple[Finding, ...] = ()


def explain(rule: Rule, person: Person, catalogue: Catalogue, as_of: datetime) -> Finding:
    """Why a rule of `catalogue` holds for a person at a time, or why not."""
    match rule:
        case AllOf() | AnyOf() | NoneOf():
            parts = tuple(explain(child, person, catalogue, as_of) for child in children(rule))
            return Finding(heading(rule), _joined(rule, parts), parts=parts)
        case SegmentReference():
            other = next(one for one in catalogue.segments if one.name == rule.segment)
            found = explain(other.rule, person, catalogue, as_of)
            return Finding(heading(rule), found.held, parts=(found,))
        case ChannelState():
            value = person.facts.get(rule.comparison.field)
            return Finding(heading(rule), _holds(value, rule.comparison, as_of), value)
        case Comparison():
            value = person.facts.get(rule.field)
            return Finding(heading(rule), _holds(value, rule, as_of), value)
        case TraitComparison():
            text = person.traits.get(rule.trait)
            return Finding(heading(rule), _trait_holds(text, rule), text)
        case EventCondition():
            value = _aggregated(rule, person, as_of)
            return Finding(heading(rule), _holds(value, rule.test, as_of), value)
        case rules.Sequence():
            value = max(_completed(rule.sequence, person, as_of), default=None)
            return Finding(heading(rule), value is not None, value)


def _joined(rule: AllOf | AnyOf | NoneOf, parts: Sequence[Finding]) -> bool:
    held = [part.held for part in parts]
    match rule:
        case AllOf():
            return all(held)
        case AnyOf():
            return any(held)
        case NoneOf():
            return not any(held)


def _holds(value: Any, test: Any, as_of: datetime) -> bool:
    operand = test.operand
    match test.operator:
        case "is_present":
            return bool((value is not None) == operand)
        case "within_days":
            return _is_within(value, as_of, operand, getattr(test, "before_days", None))
        case "not_within_days":
            return not _is_within(value, as_of, operand, None)
    if value is None:
        return False
    match test.operator:
        case "one_of":
            return value in operand
        case "at_least":
            return bool(value >= operand)
        case "at_most":
            return bool(value <= operand)
        case _:
            return bool(value == operand)


def _is_within(time: datetime | None, as_of: datetime, within: int | None, before: int | None) -> bool:
    return (
        time is not None
        and (within is None or time > as_of - timedelta(days=within))
        and (before is None or time <= as_of - timedelta(days=before))
    )


def _trait_holds(text: str | None, rule: TraitComparison) -> bool:
    if rule.is_present is not None or text is None:
        return rule.is_present is not None and (text is not None) == rule.is_present
    if rule.at_least is not None or rule.at_most is not None:
        number = _number(text)
        return number is not None and (number >= rule.at_least if rule.at_least is not None else number <= rule.operand)
    return any(_equals(text, value) for value in rule.one_of or (rule.equals,))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(NUMBER, text) else None


def _equals(text: str | None, value: Any) -> bool:
    """Whether a text stands for a value; a number may be written in several ways."""
    if text is None:
        return False
    if isinstance(value, bool):
        return text == str(value).lower()
    return _number(text) == value if isinstance(value, (int, float)) else text == value


def _matches(event: Event, match: EventMatch) -> bool:
    return (
        event["event_type"] in match.event
        and match.event_name in (None, event["event_name"])
        and match.channel in (None, event["channel"])
        and all(_property_matches(event, name, values) for name, values in match.where.items())
    )


def _property_matches(event: Event, name: str, values: Sequence[Any]) -> bool:
    properties = json.loads(event["properties"] or "null")
    found = properties.get(name) if isinstance(properties, dict) else None
    text = found if isinstance(found, str) or found is None else json.dumps(found)
    return any(_equals(text, value) for value in values)


def _within(match: rules.EventsInWindow, person: Person, as_of: datetime) -> Iterator[Event]:
    return (
        event
        for event in person.events
        if _matches(event, match) and _is_within(event["occurred_at"], as_of, match.within_days, match.before_days)
    )


def _aggregated(rule: EventCondition, person: Person, as_of: datetime) -> Any:
    events = list(_within(rule, person, as_of))
    match rule.aggregate:
        case "count":
            return len(events)
        case "sum":
            currency = rule.currency or person.facts.get("currency")
            amounts = [event["amount"] for event in events if event["currency"] == currency]
            return float(sum(amount for amount in amounts if amount is not None))
        case "last":
            return max((event["occurred_at"] for event in events), default=None)
        case _:
            return min((event["occurred_at"] for event in events), default=None)


def _completed(steps: rules.Steps, person: Person, as_of: datetime) -> Iterator[datetime]:
    """The times of first steps whose second step is fulfilled."""
    wait = timedelta(days=steps.within_days)
    seconds = [event["occurred_at"] for event in person.events if _matches(event, steps.second)]
    for event in _within(steps.first, person, as_of):
        at = event["occurred_at"]
        followed = any(at < second <= at + wait for second in seconds)
        if followed if steps.then else (not followed and at + wait <= as_of):
            yield at
