"""A rule in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdp.segments.rules import (
    AllOf,
    AnyOf,
    ChannelState,
    Comparison,
    EventCondition,
    EventMatch,
    NoneOf,
    Rule,
    SegmentReference,
    Sequence,
    TraitComparison,
    children,
)


def in_words(rule: Rule) -> str:
    """The whole rule."""
    match rule:
        case AllOf():
            return " and ".join(_nested(child) for child in rule.all_of)
        case AnyOf():
            return " or ".join(_nested(child) for child in rule.any_of)
        case NoneOf():
            first = "neither" if len(rule.none_of) > 1 else "not:"
            return f"{first} " + " nor ".join(_nested(child) for child in rule.none_of)
        case Comparison():
            return f"{_spaced(rule.field)} {_tested(rule, before_days=rule.before_days)}"
        case TraitComparison():
            return f"trait {rule.trait} {_tested(rule)}"
        case EventCondition():
            return _events(rule)
        case Sequence():
            return _sequence(rule)
        case ChannelState():
            return _channel(rule)
        case SegmentReference():
            return f"in segment {rule.segment}"


def heading(rule: Rule) -> str:
    """The rule without its nested rules."""
    match rule:
        case AllOf():
            return "all of"
        case AnyOf():
            return "any of"
        case NoneOf():
            return "none of"
    return in_words(rule)


def _nested(rule: Rule) -> str:
    return f"({in_words(rule)})" if children(rule) else in_words(rule)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(values: Any) -> str:
    """The values, joined by "or"."""
    return " or ".join(map(_value, values))


def _tested(test: Any, before_days: int | None = None) -> str:
    operand = test.operand
    match test.operator:
        case "is_present":
            return "is known" if operand else "is missing"
        case "within_days":
            return f"was {_window(operand, before_days)}"
        case "not_within_days":
            return f"was not {_window(operand, None)}"
        case "one_of":
            return f"is one of {', '.join(map(_value, operand))}"
        case "equals":
            return f"is {_value(operand)}"
        case operator:
            return f"is {_spaced(operator)} {operand:g}"


def _window(within_days: int | None, before_days: int | None) -> str:
    if within_days and before_days:
        return f"between {within_days} and {before_days} days ago"
    if within_days:
        return "in the last day" if within_days == 1 else f"in the last {within_days} days"
    return f"more than {before_days} days ago" if before_days else ""


def _matched(match: EventMatch) -> str:
    """The events themselves: `ordered (Order Completed) on web with category shoes`."""
    return " ".join(
        [
            " or ".join(map(_spaced, match.event)),
            *([f"({match.event_name})"] if match.event_name else []),
            *([f"on {match.channel}"] if match.channel else []),
            *([f"with {_where(match.where)}"] if match.where else []),
        ]
    )


def _where(where: Mapping[str, Any]) -> str:
    return " and ".join(f"{name} {_listed(values)}" for name, values in where.items())


def _events(rule: EventCondition) -> str:
    events = " ".join(filter(None, (_matched(rule), _window(rule.within_days, rule.before_days))))
    if rule.sum:
        return f"the sum of {events} {_tested(rule.sum)} {rule.currency or 'in the main currency'}"
    if rule.last or rule.first:
        return f"the {rule.aggregate} {events} {_tested(rule.test)}"
    return f"{events} {_times(rule)}" if rule.count else events


def _times(rule: EventCondition) -> str:
    test = rule.test
    times = "once" if test.operand == 1 else f"{test.operand} times"
    return times if test.operator == "equals" else f"{_spaced(test.operator)} {times}"


def _sequence(rule: Sequence) -> str:
    steps = rule.sequence
    first = " ".join(filter(None, (_matched(steps.first), _window(steps.first.within_days, steps.first.before_days))))
    then = f"then {_matched(steps.second)}" if steps.then else f"then not {_matched(steps.second)}"
    days = "a day" if steps.within_days == 1 else f"{steps.within_days} days"
    return f"{first}, {then} within {days}"


def _channel(rule: ChannelState) -> str:
    if rule.consent is not None:
        return f"consent to marketing on {rule.channel} is {_listed(rule.consent)}"
    if rule.suppressed is not None:
        return f"{rule.channel} is {'' if rule.suppressed else 'not '}suppressed"
    return f"{'reachable' if rule.reachable else 'not reachable'} on {rule.channel}"
