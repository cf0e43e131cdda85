"""The tables of products: small histories of a few people, and what a run makes of them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.warehouse import Warehouse
from pipelines.products import describe_products
from pipelines.profiles.activity import tell_activity
from pipelines.profiles.golden import build_profiles
from tests.pipelines.people import event, profile_id, warehouse_of
from tests.pipelines.runs import NOW

pytestmark = pytest.mark.slow

Event = dict[str, Any]


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def product(product_id: str, **told: Any) -> dict[str, Any]:
    """A line that tells all that messages need."""
    return {"product_id": product_id, "name": product_id.title(), "url": f"https://x.example/{product_id}", **told}


def did(person: str, event_type: str, *products: str | dict[str, Any], days: float = 1, **values: Any) -> Event:
    lines = [product(one) if isinstance(one, str) else one for one in products]
    return event(person, "web", event_type, ago(days), products=lines, **values)


def described(events: list[Event], as_of: datetime = NOW) -> Warehouse:
    warehouse = warehouse_of(events=events)
    build_profiles(warehouse, ())
    tell_activity(warehouse, as_of)
    describe_products(warehouse, as_of=as_of)
    return warehouse


def rows(events: list[Event], query: str) -> list[tuple[Any, ...]]:
    return described(events).query(query).rows()


def test_of_each_value_the_last_one_told_counts() -> None:
    events = [
        did("ann", "product_viewed", {"product_id": "mug", "name": "Old mug", "url": "https://x.example/old"}, days=9),
        did("ben", "ordered", {"product_id": "mug", "name": "Mug", "price": 9, "currency": "EUR"}, days=3),
        did("ann", "ordered", {"product_id": "mug", "price": 8, "currency": "EUR"}, days=2),
        did("ann", "ordered", {"product_id": "mug", "price": 11, "currency": "USD"}, days=8),
        did("ann", "ordered", {"product_id": "mug", "price": 5}, days=1),
        did("ann", "product_viewed", {"product_id": "mug", "name": "By a machine"}, is_machine=True),
        did("ann", "product_viewed", {"product_id": "mug", "name": "Not yet"}, days=-1),
    ]
    [found] = described(events).query("select * from products.catalogue").rows(named=True)
    assert json.loads(found.pop("prices")) == {"EUR": "8.00", "USD": "11.00"}
    assert found == {"product_id": "mug", "name": "Mug", "url": "https://x.example/old", "image_url": None}


KEYS = (
    # (id, SKU) as sources tell them, and the id of each name
    ([("1", None), ("2", None)], {"1": "1", "2": "2"}),
    ([("1", "a"), ("1", "b")], {"1": "1", "a": "1", "b": "1"}),
    # The web knows the shop's product by its SKU, or by an id of its own.
    ([("1", "a"), ("a", None)], {"1": "1", "a": "1"}),
    ([("1", "a"), ("a", "a")], {"1": "1", "a": "1"}),
    ([("1", "a"), ("77", "a")], {"1": "1", "77": "1", "a": "1"}),
    # A chain of names is one product, whichever end is the smallest.
    ([("3", "a"), ("2", "a"), ("2", "b"), ("1", "b")], {"1": "1", "2": "1", "3": "1", "a": "1", "b": "1"}),
    ([("9", "a"), ("a", "b"), ("b", None)], {"9": "9", "a": "9", "b": "9"}),
    # What stands for any product is no name of one.
    ([(str(number), "default") for number in range(4)], {str(number): str(number) for number in range(4)}),
)


@pytest.mark.parametrize(("told", "ids"), KEYS)
def test_a_product_is_known_by_several_names(told: list[tuple[str, str | None]], ids: dict[str, str]) -> None:
    events = [did("ann", "ordered", {"product_id": one, "sku": sku}, days=n) for n, (one, sku) in enumerate(told)]
    assert dict(rows(events, "from products.keys")) == ids
    assert {one for (one,) in rows(events, "select product_id from products.catalogue")} == set(ids.values())


def test_interests_are_the_last_time_of_each_kind() -> None:
    events = [
        did("ann", "product_viewed", "mug", "rope", days=5),
        did("ann", "product_viewed", "mug", days=4),
        did("ann", "added_to_cart", "mug", days=3),
        did("ann", "removed_from_cart", "mug", days=2),
        did("ann", "checkout_started", "rope", days=1),
        did("ben", "ordered", "mug", days=6),
        did("ben", "refunded", "mug", days=5),
        did("ben", "custom", "rope", days=5),
        did("ben", "product_viewed", "rope", is_machine=True),
        did("ben", "product_viewed", "rope", days=-1),
    ]
    query = (
        "select profile_id, product_id, viewed_at, added_at, removed_at, bought_at from products.interests order by all"
    )
    assert rows(events, query) == [
        (profile_id("ann"), "mug", ago(4), ago(3), ago(2), None),
        (profile_id("ann"), "rope", ago(5), ago(1), None, None),
        (profile_id("ben"), "mug", None, None, None, ago(6)),
    ]


def bought(*baskets: str) -> list[Event]:
    """Orders of a person each: a letter a product."""
    return [did(f"p{number}x", "ordered", *basket) for number, basket in enumerate(baskets)]


PAIRS = """
select product_id || companion_id, rank, buyer_count, round(lift, 2), round(similarity, 2) from products.companions
"""
COMPANIONS = (
    # what each of some people has bought; pairs with rank, buyers of both, lift, similarity
    (["ab"] * 3 + ["c"] * 3, [("ab", 1, 3, 2, 1), ("ba", 1, 3, 2, 1)]),
    # Two people are too few.
    (["ab"] * 2 + ["c"] * 4, []),
    # Everybody has the one, so that it goes with nothing: 3 of 6 have the other, as everybody would.
    (["ab"] * 3 + ["a"] * 3, []),
    # a goes better with b than with c: 4 / √(8·4) and 4 / √(8·6)
    (
        ["ab"] * 4 + ["ac"] * 4 + ["c"] * 2 + ["d"] * 6,
        [("ab", 1, 4, 2, 0.71), ("ac", 2, 4, 1.33, 0.58), ("ba", 1, 4, 2, 0.71), ("ca", 1, 4, 1.33, 0.58)],
    ),
    # Several of one are bought once.
    (["aab"] * 3 + ["c"], [("ab", 1, 3, 1.33, 1), ("ba", 1, 3, 1.33, 1)]),
)


@pytest.mark.parametrize(("baskets", "pairs"), COMPANIONS)
def test_what_goes_with_what(baskets: list[str], pairs: list[tuple[Any, ...]]) -> None:
    assert rows(bought(*baskets), f"{PAIRS} order by 1") == pairs


def test_what_cannot_be_shown_goes_with_nothing_but_others_go_with_it() -> None:
    nameless = {"product_id": "a", "url": "https://x.example/a"}
    events = [did(f"q{number}x", "ordered", nameless, "b") for number in range(3)] + bought("c")
    assert [one for one, *_ in rows(events, PAIRS)] == ["ab"]


@pytest.mark.parametrize("days_apart", [0, 1])
def test_pairs_are_bounded(days_apart: int) -> None:
    """Of one person the last 30 products count, and for each product twelve others are kept."""
    names = [f"n{number:02}" for number in range(40)]
    events = [
        did(f"q{one}x", "ordered", name, days=1 + days * days_apart)
        for one in range(3)
        for days, name in enumerate(names)
    ]
    events += bought("x", "y", "z")
    found = rows(events, "select product_id, count(*) from products.companions group by all order by 1")
    assert found == [(name, 12) for name in names[:30]]


SEASON = "select product_id, buyer_count, round(expected_count, 2), round(rise, 2) from products.season order by rank"
SEASONS = (
    # (product, days ago, buyers); product, buyers, expected, rise
    ([("a", 1, 3)], [("a", 3, 0, 3)]),
    ([("a", 1, 2)], []),
    # All sell alike: nothing has fallen behind.
    ([("a", 1, 4), ("b", 1, 4), ("a", 40, 8), ("b", 40, 8)], [("a", 4, 4, 0), ("b", 4, 4, 0)]),
    # a: 8 of 12 now, 4 of 12 before; b sells less than it did.
    ([("a", 1, 8), ("b", 1, 4), ("a", 40, 4), ("b", 40, 8)], [("a", 8, 4, 1.79)]),
    # The window's edge belongs to what was before, and what is older than 112 days counts for nothing.
    ([("a", 28, 3), ("b", 27.99, 3), ("b", 112, 9)], [("b", 3, 0, 3)]),
)


@pytest.mark.parametrize(("sales", "season"), SEASONS)
def test_what_is_in_season(sales: list[tuple[str, float, int]], season: list[tuple[Any, ...]]) -> None:
    events = [
        did(f"{name}{days}-{number}x", "ordered", name, days=days)
        for name, days, buyers in sales
        for number in range(buyers)
    ]
    assert rows(events, SEASON) == season


def test_a_person_who_buys_often_is_one_buyer() -> None:
    assert rows([did("ann", "ordered", "mug", days=days) for days in range(5)], SEASON) == []


TABLES = ("catalogue", "keys", "companions", "season", "interests")
KINDS = ("product_viewed", "added_to_cart", "removed_from_cart", "checkout_started", "ordered")
HISTORIES = st.lists(
    st.builds(
        lambda person, kind, one, other, name, hours: did(
            person, kind, {**product(one), "name": name, "sku": other}, days=hours / 24
        ),
        st.sampled_from(("ann", "ben", "cat", "dan")),
        st.sampled_from(KINDS),
        st.sampled_from("abc"),
        st.sampled_from(("a", "s", None)),
        st.sampled_from(("One", "Other", None)),
        st.integers(0, 72),
    ),
    max_size=25,
    unique_by=lambda one: one["event_id"],
)


@settings(max_examples=15, deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False))
def test_events_in_any_order_give_the_same_tables(events: list[Event], chance: Any) -> None:
    before = described(events)
    chance.shuffle(events)
    after = described(events)
    for table in TABLES:
        query = f"select * from products.{table} order by all"
        assert before.query(query).rows() == after.query(query).rows(), table
