"""What each form of a rule means: for whom it holds, in both interpretations, and its wording."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from cdp.segments import in_words
from cdp.warehouse import Warehouse
from tests.cdp.segments.people import Human, ago, catalogue_of, did, explained, fill, run, warehouse

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared() -> Iterator[Warehouse]:
    made = warehouse()
    yield made
    made.close()


def holding(shared: Warehouse, rule: Any, humans: list[Human]) -> list[int]:
    """1 for each human for whom the rule holds, 0 for the others."""
    people = {f"p{number}": human for number, human in enumerate(humans)}
    catalogue = catalogue_of(it=rule)
    fill(shared, people)
    found = run(shared, catalogue)
    assert found == explained(shared, people, catalogue)
    return [int((name, "it") in found) for name in people]


def with_facts(name: str, *values: Any) -> list[Human]:
    return [Human(facts={name: value}) for value in values]


def who(*events: dict[str, Any]) -> Human:
    return Human(facts={"currency": "EUR"}, events=events)


COUNTS = with_facts("order_count", None, 0, 2, 3)
CITIES = with_facts("city", None, "York", "Leeds")
ORDERED = with_facts("last_order_at", None, ago(0), ago(6.9), ago(7), ago(8))


@pytest.mark.parametrize(
    ("rule", "humans", "holds", "words"),
    [
        ({"field": "order_count", "at_least": 2}, COUNTS, [0, 0, 1, 1], "order count is at least 2"),
        ({"field": "order_count", "at_most": 2}, COUNTS, [0, 1, 1, 0], "order count is at most 2"),
        ({"field": "order_count", "equals": 2}, COUNTS, [0, 0, 1, 0], "order count is 2"),
        ({"field": "order_count", "one_of": [2, 2.5]}, COUNTS, [0, 0, 1, 0], "order count is one of 2, 2.5"),
        ({"field": "order_value", "at_least": 0.1}, with_facts("order_value", Decimal("0.09"), Decimal("0.10")), [0, 1],
         "order value is at least 0.1"),
        ({"field": "order_value", "one_of": [1]}, with_facts("order_value", None, Decimal(1)), [0, 1],
         "order value is one of 1"),
        ({"field": "city", "equals": "York"}, CITIES, [0, 1, 0], "city is York"),
        ({"field": "city", "one_of": ["York", "Bath"]}, CITIES, [0, 1, 0], "city is one of York, Bath"),
        ({"field": "city", "is_present": True}, CITIES, [0, 1, 1], "city is known"),
        ({"field": "city", "is_present": False}, CITIES, [1, 0, 0], "city is missing"),
        ({"field": "last_order_at", "within_days": 7}, ORDERED, [0, 1, 1, 0, 0],
         "last order at was in the last 7 days"),
        ({"field": "last_order_at", "not_within_days": 7}, ORDERED, [1, 0, 0, 1, 1],
         "last order at was not in the last 7 days"),
        ({"field": "last_order_at", "within_days": 8, "before_days": 7}, ORDERED, [0, 0, 0, 1, 0],
         "last order at was between 8 and 7 days ago"),
        ({"all_of": [{"field": "order_count", "at_least": 2}, {"field": "order_count", "at_most": 2}]}, COUNTS,
         [0, 0, 1, 0], "order count is at least 2 and order count is at most 2"),
        ({"any_of": [{"field": "order_count", "equals": 0}, {"field": "order_count", "equals": 3}]}, COUNTS,
         [0, 1, 0, 1], "order count is 0 or order count is 3"),
        # A missing value fulfils no comparison, so none_of holds.
        ({"none_of": [{"field": "order_count", "equals": 0}, {"field": "order_count", "equals": 3}]}, COUNTS,
         [1, 0, 1, 0], "neither order count is 0 nor order count is 3"),
        ({"none_of": [{"any_of": [{"field": "city", "equals": "York"}, {"field": "city", "is_present": False}]}]},
         CITIES, [0, 0, 1], "not: (city is York or city is missing)"),
    ],
)  # fmt: skip
def test_fields_and_combined_rules(
    shared: Warehouse, rule: dict[str, Any], humans: list[Human], holds: list[int], words: str
) -> None:
    assert holding(shared, rule, humans) == holds
    assert in_words(catalogue_of(it=rule).segments[0].rule) == words


@pytest.mark.parametrize(
    ("test", "values", "holds", "words"),
    [
        ({"equals": "gold"}, ["gold", "Gold", None], [1, 0, 0], "trait plan is gold"),
        ({"equals": True}, ["true", "True", "1"], [1, 0, 0], "trait plan is true"),
        ({"equals": 5}, ["5", "5.0", "five"], [1, 1, 0], "trait plan is 5"),
        ({"one_of": ["gold", 5]}, ["gold", "5", "4"], [1, 1, 0], "trait plan is one of gold, 5"),
        ({"at_least": 5}, ["4.9", "5.1", "many", None], [0, 1, 0, 0], "trait plan is at least 5"),
        ({"is_present": False}, ["gold", None], [0, 1], "trait plan is missing"),
    ],
)
def test_traits(
    shared: Warehouse, test: dict[str, Any], values: list[str | None], holds: list[int], words: str
) -> None:
    rule = {"trait": "plan", **test}
    assert holding(shared, rule, [Human(traits={"plan": value} if value else {}) for value in values]) == holds
    assert in_words(catalogue_of(it=rule).segments[0].rule) == words


CART, ORDER = "added_to_cart", "ordered"


@pytest.mark.parametrize(
    ("rule", "humans", "holds", "words"),
    [
        ({"event": ORDER}, [who(), who(did(CART)), who(did(ORDER, ago(900)))], [0, 0, 1], "ordered"),
        ({"event": [ORDER, CART], "channel": "store"}, [who(did(ORDER)), who(did(CART, channel="store"))], [0, 1],
         "ordered or added to cart on store"),
        ({"event": "custom", "event_name": "Quiz"}, [who(did("custom", event_name=n)) for n in ("Quiz", "quiz", None)],
         [1, 0, 0], "custom (Quiz)"),
        ({"event": ORDER, "within_days": 7}, [who(did(ORDER, ago(7))), who(did(ORDER, ago(7, 1)))], [0, 1],
         "ordered in the last 7 days"),
        ({"event": ORDER, "before_days": 7}, [who(did(ORDER, ago(7))), who(did(ORDER, ago(7, 1)))], [1, 0],
         "ordered more than 7 days ago"),
        ({"event": ORDER, "within_days": 9, "before_days": 7}, [who(did(ORDER, ago(day))) for day in (6, 7, 8, 9)],
         [0, 1, 1, 0], "ordered between 9 and 7 days ago"),
        ({"event": ORDER, "count": {"at_least": 2}}, [who(did(ORDER)), who(did(ORDER), did(ORDER, ago(1)))], [0, 1],
         "ordered at least 2 times"),
        ({"event": ORDER, "within_days": 2, "count": {"equals": 1}},
         [who(), who(did(ORDER), did(ORDER, ago(3))), who(did(ORDER), did(ORDER, ago(1)))], [0, 1, 0],
         "ordered in the last 2 days once"),
        ({"event": ORDER, "count": {"at_most": 0}}, [who(), who(did(CART)), who(did(ORDER))], [1, 1, 0],
         "ordered at most 0 times"),
        ({"event": ORDER, "sum": {"at_least": 0.3}},
         [who(), who(did(ORDER, amount="0.10", currency="EUR"), did(ORDER, amount="0.20", currency="EUR")),
          who(did(ORDER, amount="99.00", currency="USD")), who(did(ORDER, currency="EUR"))], [0, 1, 0, 0],
         "the sum of ordered is at least 0.3 in the main currency"),
        ({"event": ORDER, "sum": {"at_most": 5}, "currency": "USD"},
         [who(), who(did(ORDER, amount="99.00", currency="USD")), who(did(ORDER, amount="99.00", currency="EUR"))],
         [1, 0, 1], "the sum of ordered is at most 5 USD"),
        ({"event": ORDER, "last": {"not_within_days": 7}},
         [who(), who(did(ORDER, ago(9)), did(ORDER, ago(1))), who(did(ORDER, ago(9)))], [1, 0, 1],
         "the last ordered was not in the last 7 days"),
        ({"event": ORDER, "first": {"within_days": 7}},
         [who(), who(did(ORDER, ago(9)), did(ORDER, ago(1))), who(did(ORDER, ago(6)))], [0, 0, 1],
         "the first ordered was in the last 7 days"),
        ({"event": ORDER, "where": {"category": "shoes"}},
         [who(did(ORDER, properties=p)) for p in ({"category": "shoes"}, {"category": "hats"}, {}, ["shoes"])],
         [1, 0, 0, 0], "ordered with category shoes"),
        ({"event": ORDER, "where": {"is_gift": True, "items": [1, 2]}},
         [who(did(ORDER, properties=p)) for p in
          ({"is_gift": True, "items": 2.0}, {"is_gift": "true", "items": "1"}, {"is_gift": True, "items": 3})],
         [1, 1, 0], "ordered with is_gift true and items 1 or 2"),
    ],
)  # fmt: skip
def test_events(shared: Warehouse, rule: dict[str, Any], humans: list[Human], holds: list[int], words: str) -> None:
    assert holding(shared, rule, humans) == holds
    assert in_words(catalogue_of(it=rule).segments[0].rule) == words


def steps(*events: tuple[str, datetime]) -> Human:
    return who(*(did(kind, at) for kind, at in events))


def test_then_counts_strictly_later_events_within_the_days(shared: Warehouse) -> None:
    rule = {"sequence": {"first": {"event": CART}, "then": {"event": ORDER}, "within_days": 2}}
    humans = [
        steps((CART, ago(5)), (ORDER, ago(3))),
        steps((CART, ago(5)), (ORDER, ago(3, 1))),
        steps((CART, ago(5)), (ORDER, ago(5))),
        steps((CART, ago(5)), (ORDER, ago(6))),
        steps((CART, ago(9)), (CART, ago(5)), (ORDER, ago(4))),
    ]
    assert holding(shared, rule, humans) == [1, 0, 0, 0, 1]
    assert in_words(catalogue_of(it=rule).segments[0].rule) == "added to cart, then ordered within 2 days"


def test_then_not_holds_only_once_the_days_are_over(shared: Warehouse) -> None:
    rule = {"sequence": {"first": {"event": CART, "within_days": 9}, "then_not": {"event": ORDER}, "within_days": 2}}
    humans = [
        steps((CART, ago(2))),
        steps((CART, ago(2, 1))),
        steps((CART, ago(5)), (ORDER, ago(4))),
        steps((CART, ago(5)), (ORDER, ago(2))),
        steps((CART, ago(9))),
        steps((ORDER, ago(5))),
        # One cart was followed by an order, the other was not.
        steps((CART, ago(8)), (CART, ago(5)), (ORDER, ago(4))),
    ]
    assert holding(shared, rule, humans) == [1, 0, 0, 1, 0, 0, 1]
    words = in_words(catalogue_of(it=rule).segments[0].rule)
    assert words == "added to cart in the last 9 days, then not ordered within 2 days"


@pytest.mark.parametrize(
    ("test", "holds", "words"),
    [
        ({"reachable": True}, [1, 0, 0], "reachable on sms"),
        ({"reachable": False}, [0, 1, 1], "not reachable on sms"),
        ({"suppressed": True}, [0, 1, 0], "sms is suppressed"),
        ({"suppressed": False}, [1, 0, 1], "sms is not suppressed"),
        ({"consent": "granted"}, [1, 0, 0], "consent to marketing on sms is granted"),
        ({"consent": ["granted", "withdrawn"]}, [1, 1, 0], "consent to marketing on sms is granted or withdrawn"),
    ],
)
def test_channels(shared: Warehouse, test: dict[str, Any], holds: list[int], words: str) -> None:
    humans = [
        Human(channels={"sms": (True, "granted", False)}),
        Human(channels={"sms": (False, "withdrawn", True)}),
        # No address, no consent, nothing to suppress.
        Human(channels={"email": (True, "granted", False)}),
    ]
    rule = {"channel": "sms", **test}
    assert holding(shared, rule, humans) == holds
    assert in_words(catalogue_of(it=rule).segments[0].rule) == words


def test_a_segment_may_refer_to_others_and_have_the_name_of_a_field(shared: Warehouse) -> None:
    catalogue = catalogue_of(
        top={"all_of": [{"segment": "city"}, {"none_of": [{"segment": "buyer"}]}]},
        city={"field": "city", "equals": "York"},
        buyer={"field": "order_count", "at_least": 1},
    )
    people = {"a": Human({"city": "York", "order_count": 0}), "b": Human({"city": "York", "order_count": 2})}
    fill(shared, people)
    assert run(shared, catalogue) == {("a", "city"), ("a", "top"), ("b", "city"), ("b", "buyer")}
    assert explained(shared, people, catalogue) == run(shared, catalogue)


def test_a_catalogue_without_segments_has_no_members(shared: Warehouse) -> None:
    fill(shared, {"a": Human({"order_count": 1})})
    assert run(shared, catalogue_of()) == set()
