"""Running and explaining a rule agree, on random rules over random people."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.segments import parse_catalogue
from cdp.warehouse import Warehouse
from tests.cdp.segments.people import Human, ago, catalogue_of, did, explained, fill, run, warehouse

# Few values and days, so that rules often match people, also at the edges of windows.
DAYS = st.integers(1, 4)
EVENT_TYPES = st.sampled_from(["ordered", "viewed", "clicked"])
CURRENCIES = st.sampled_from([None, "EUR", "USD"])
PROPERTIES = st.sampled_from(
    ["1", "1.0", "1.50", "yes", "true", "", "null", 1, 1.5, True, False, None, ["yes"], {"a": 1}]
)
SCALARS = st.sampled_from(["1", "1.50", "yes", "true", "", "null", 1, 1.5, True, False])
AMOUNTS = st.sampled_from(["0.10", "0.30", "10.00", None])
NUMBERS = st.sampled_from([0, 0.1, 0.3, 1, 1.5, 10])
STATES = st.sampled_from(["granted", "withdrawn", "missing", "conflicting"])


def times() -> st.SearchStrategy[Any]:
    return st.builds(ago, st.integers(0, 5), st.sampled_from([-1, 0, 1]))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@st.composite
def windows(draw: st.DrawFn) -> dict[str, int]:
    within, before = draw(maybe(DAYS)), draw(maybe(DAYS))
    found = {"within_days": within, "before_days": before if not within or (before or 0) < within else None}
    return {name: days for name, days in found.items() if days}


@st.composite
def matches(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {"event": draw(EVENT_TYPES | st.lists(EVENT_TYPES, min_size=1, max_size=2))}
    if draw(st.booleans()):
        found["channel"] = draw(st.sampled_from(["web", "email"]))
    if draw(st.integers(0, 3)) == 0:
        found["event_name"] = draw(st.sampled_from(["a", "b"]))
    if draw(st.integers(0, 2)) == 0:
        found["where"] = {"p/~q": draw(SCALARS | st.lists(SCALARS, min_size=1, max_size=2))}
    return found


@st.composite
def aggregates(draw: st.DrawFn) -> dict[str, Any]:
    number = draw(st.sampled_from(["at_least", "at_most"]))
    time = draw(st.sampled_from(["within_days", "not_within_days"]))
    return draw(
        st.sampled_from(
            [
                {},
                {"count": {number: draw(st.integers(1, 3))}},
                {"count": {"equals": draw(st.integers(0, 3))}},
                {"sum": {number: draw(NUMBERS)}},
                {"sum": {number: draw(NUMBERS)}, "currency": "EUR"},
                {"last": {time: draw(DAYS)}},
                {"first": {time: draw(DAYS)}},
            ]
        )
    )


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    window, aggregate = draw(windows()), draw(aggregates())
    compared = aggregate.get("last") or aggregate.get("first") or {}
    if window.get("before_days", 0) >= compared.get("within_days", 9):
        window = {}
    return {**draw(matches()), **window, **aggregate}


@st.composite
def sequences(draw: st.DrawFn) -> dict[str, Any]:
    days, window, then = draw(DAYS), draw(windows()), draw(st.sampled_from(["then", "then_not"]))
    if then == "then_not" and window.get("within_days", 9) <= days:
        window = {}
    return {"sequence": {"first": {**draw(matches()), **window}, then: draw(matches()), "within_days": days}}


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["number", "money", "text", "time", "channel"]))
    present = {"is_present": draw(st.booleans())}
    match kind:
        case "number" | "money":
            name = {"number": "order_count", "money": "order_value"}[kind]
            tests = [{test: draw(NUMBERS)} for test in ("equals", "at_least", "at_most")]
            tests.append({"one_of": draw(st.lists(NUMBERS, min_size=1, max_size=2))})
        case "text":
            name = "city"
            cities = st.sampled_from(["York", "Bath", ""])
            tests = [{"equals": draw(cities)}, {"one_of": draw(st.lists(cities, min_size=1, max_size=2))}]
        case "time":
            name = "last_order_at"
            window = {"within_days": 4, "before_days": draw(st.integers(1, 3))}
            tests = [{"within_days": draw(DAYS)}, {"not_within_days": draw(DAYS)}, window]
        case _:
            name = "email_reachable"
            tests = [{"equals": draw(st.booleans())}]
    return {"field": name, **draw(st.sampled_from([*tests, present]))}


@st.composite
def traits(draw: st.DrawFn) -> dict[str, Any]:
    tests = [
        {"equals": draw(SCALARS)},
        {"one_of": draw(st.lists(SCALARS, min_size=1, max_size=3))},
        {"at_least": draw(NUMBERS)},
        {"at_most": draw(NUMBERS)},
        {"is_present": draw(st.booleans())},
    ]
    return {"trait": draw(st.sampled_from(["plan", 'od"d'])), **draw(st.sampled_from(tests))}


@st.composite
def channels(draw: st.DrawFn) -> dict[str, Any]:
    tests = [
        {"reachable": draw(st.booleans())},
        {"suppressed": draw(st.booleans())},
        {"consent": draw(STATES | st.lists(STATES, min_size=1, max_size=2))},
    ]
    return {"channel": draw(st.sampled_from(["email", "sms"])), **draw(st.sampled_from(tests))}


def conditions(*segments: str) -> st.SearchStrategy[dict[str, Any]]:
    """Conditions, some of them on membership in one of the segments."""
    others = st.builds(lambda name: {"segment": name}, st.sampled_from(segments)) if segments else st.nothing()
    return st.one_of(comparisons(), traits(), events(), sequences(), channels(), others)


def rules(*segments: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.recursive(
        conditions(*segments),
        lambda children: st.builds(
            lambda key, below: {key: below},
            st.sampled_from(["all_of", "any_of", "none_of"]),
            st.lists(children, min_size=1, max_size=3),
        ),
        max_leaves=5,
    )


PEOPLE = st.builds(
    Human,
    facts=st.fixed_dictionaries(
        {
            "order_count": maybe(st.integers(0, 2)),
            "order_value": maybe(AMOUNTS).map(lambda text: Decimal(text) if text else None),
            "city": maybe(st.sampled_from(["York", "Bath", ""])),
            "last_order_at": maybe(times()),
            "currency": CURRENCIES,
        }
    ),
    traits=st.dictionaries(
        st.sampled_from(["plan", 'od"d']),
        st.sampled_from(["1", "1.0", "1.50", "-2", "yes", "true", "", "1e3", " 1", "1_0", "٣", "nan", "1\n"]),
    ),
    channels=st.dictionaries(
        st.sampled_from(["email", "sms"]), st.tuples(st.booleans(), STATES, st.booleans()), max_size=2
    ),
    events=st.lists(
        st.builds(
            lambda kind, at, name, **more: did(kind, at, event_name=name, **more),
            EVENT_TYPES,
            times(),
            st.sampled_from([None, "a", "b"]),
            channel=st.sampled_from(["web", "email"]),
            amount=AMOUNTS,
            currency=CURRENCIES,
            properties=maybe(st.dictionaries(st.sampled_from(["p/~q", "other"]), PROPERTIES, max_size=2)),
        ),
        max_size=6,
    ).map(tuple),
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Warehouse]:
    made = warehouse()
    yield made
    made.close()


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    st.fixed_dictionaries({"base": rules(), "other": rules("base"), "top": rules("base", "other")}),
    st.lists(PEOPLE, min_size=1, max_size=25),
)
def test_running_and_explaining_agree(shared: Warehouse, named: dict[str, Any], humans: list[Human]) -> None:
    catalogue = catalogue_of(**named)
    people = {f"p{number}": human for number, human in enumerate(humans)}
    fill(shared, people)
    assert run(shared, catalogue) == explained(shared, people, catalogue)


@settings(max_examples=30, deadline=None)
@given(rules())
def test_a_rule_can_be_restored_from_json(rule: dict[str, Any]) -> None:
    kept = catalogue_of(it=rule)
    assert parse_catalogue(kept.model_dump_json(exclude_unset=True), "kept") == kept
