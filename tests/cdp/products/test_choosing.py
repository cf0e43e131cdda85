"""Which products a message shows: small people and catalogues, and what holds for all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.content.model import PRODUCT_CHOICES, ProductChoice
from cdp.people.current import LiveEvent, LiveLayer, current, iso
from cdp.people.document import PersonProducts, ProfileDocument, blank_document
from cdp.products.choosing import Catalogue, Product, choose

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def at(hours: float | None) -> str | None:
    """A time so many hours ago, as documents write it."""
    return None if hours is None else iso(NOW - timedelta(hours=hours))


def person(
    bought: str = "", currency: str | None = None, **interests: tuple[float | None, float | None, float | None]
) -> ProfileDocument:
    """Somebody who has bought some products, a letter each, and viewed, added and removed others so many hours ago."""
    document = blank_document("prf_" + "0" * 26, iso(NOW))
    found = [
        {"product_id": name, "viewed_at": at(viewed), "added_at": at(added), "removed_at": at(removed)}
        for name, (viewed, added, removed) in interests.items()
    ]
    products: Any = {"bought": list(bought), "interests": found}
    return {**document, "products": products, "metrics": {**document["metrics"], "currency": currency}}


def live(event_type: str, *products: str | dict[str, Any], hours: float = 0, machine: bool = False) -> LiveEvent:
    """An event since the run; a claim, unless its products tell more than their ids."""
    blank = dict.fromkeys(("sku", "name", "url", "image_url", "price", "currency"))
    lines = [{**blank, **({"product_id": one} if isinstance(one, str) else one)} for one in products]
    key = f"{event_type}{lines}{hours}"
    when = NOW - timedelta(hours=hours)
    return LiveEvent(key, "prf", "web", event_type, None, when, machine, 1, products=json.dumps(lines))


def catalogue(goes_with: dict[str, dict[str, float]] | None = None, in_season: str = "") -> Catalogue:
    """Products a to h, each with a page; `z` has a name only, and `sku-a` is another name of a."""
    products = {
        name: Product(
            name.upper(), f"https://x.example/{name}", goes_with=list((goes_with or {}).get(name, {}).items())
        )
        for name in "abcdefgh"
    }
    products["z"] = Product("Z", None)
    return Catalogue(products, {**{name: name for name in products}, "sku-a": "a"}, list(in_season))


def chosen(
    document: ProfileDocument,
    events: Sequence[LiveEvent] = (),
    known: Catalogue | None = None,
    **blocks: int,
) -> dict[str, str]:
    """The names that each choice shows, as one text."""
    layer = LiveLayer(events=sorted(events, key=lambda one: (one.occurred_at, one.event_id)))
    wanted: Any = blocks or dict.fromkeys(PRODUCT_CHOICES, 3)
    shown = choose(current(document, layer), layer, known or catalogue(), wanted)
    return {choice: "".join(one["name"].lower() for one in found) for choice, found in shown.items()}


NONE = (None, None, None)
CASES: tuple[tuple[ProfileDocument, list[LiveEvent], str, str], ...] = (
    # the person, what came live, what is in the cart, what was viewed last
    (person(), [], "", ""),
    (person(a=(1, None, None), b=(2, None, None)), [], "", "ab"),
    (person(a=(None, 2, None), b=(None, 1, None)), [], "ba", ""),
    (person(a=(3, 2, 1)), [], "", "a"),
    (person(a=(None, 1, 2)), [], "a", ""),
    # In one moment, what was taken out is out.
    (person(a=(None, 1, 1)), [], "", ""),
    (person(z=(1, 1, None)), [], "", ""),
    # What comes live counts at once, whenever it happened.
    (person(), [live("added_to_cart", "a")], "a", ""),
    (person(), [live("checkout_started", "a", "b")], "ab", ""),
    (person(b=(5, None, None)), [live("product_viewed", "a")], "", "ab"),
    (person(a=(None, 2, None)), [live("removed_from_cart", "a", hours=1)], "", ""),
    (person(a=(None, 2, None)), [live("removed_from_cart", "a", hours=3)], "a", ""),
    (person(a=(1, 1, None), b=(2, None, None)), [live("ordered", "a")], "", "b"),
    (person("a"), [live("product_viewed", "a"), live("added_to_cart", "a")], "", ""),
    (person(a=(None, 1, None)), [live("ordered", "a", machine=True)], "a", ""),
    # A product is one by whatever name it comes.
    (person(a=(1, 1, None)), [live("ordered", "sku-a")], "", ""),
    (person(a=(1, 1, None)), [live("ordered", {"product_id": "from-a-new-shop", "sku": "sku-a"})], "", ""),
    (person(), [live("product_viewed", "a", hours=2), live("product_viewed", "sku-a", hours=1)], "", "a"),
    # Of a product that the run did not know, it is shown what those told who may; a claim tells nothing to show.
    (person(), [live("added_to_cart", {"product_id": "n", "name": "N", "url": "https://x.example/n"})], "n", ""),
    (person(), [live("added_to_cart", "n")], "", ""),
    (person(), [live("product_viewed", {"product_id": "n", "name": "N"}, hours=1),
                live("added_to_cart", {"product_id": "n", "url": "https://x.example/n"})], "n", "n"),
    (person(z=(1, None, None)), [live("ordered", {"product_id": "z", "url": "https://x.example/z"})], "", ""),
    (person(z=(1, None, None)), [live("product_viewed", {"product_id": "z", "url": "https://x.example/z"})], "", "z"),
)  # fmt: skip


@pytest.mark.parametrize(("document", "events", "in_cart", "viewed"), CASES)
def test_the_cart_and_what_was_viewed(
    document: ProfileDocument, events: list[LiveEvent], in_cart: str, viewed: str
) -> None:
    assert chosen(document, events, in_cart=3)["in_cart"] == in_cart
    assert chosen(document, events, last_viewed=3)["last_viewed"] == viewed


def test_no_product_is_shown_twice_but_lists_go_on_where_a_block_ends() -> None:
    document = person(a=(1, 1, None), b=(2, 2, None), c=(3, None, None))
    known = catalogue({"a": {"c": 0.5, "d": 0.4, "e": 0.3}}, in_season="deaf")
    assert chosen(document, known=known) == {
        "in_cart": "ab",
        "last_viewed": "c",
        "bought_together": "de",
        "in_season": "f",
    }
    # The block of the cart shows one of two; the other is free for what was viewed.
    shown = chosen(document, known=known, in_cart=1, last_viewed=3)
    assert shown == {"in_cart": "ab", "last_viewed": "bc"}


def test_what_goes_with_several_comes_first_and_what_they_have_not_at_all() -> None:
    known = catalogue({"a": {"c": 0.3, "d": 0.4, "b": 0.9}, "b": {"c": 0.3, "d": 0.1, "a": 0.9}, "e": {"f": 0.9}})
    assert chosen(person("ab"), known=known, bought_together=3) == {"bought_together": "cd"}
    assert chosen(person("a"), [live("ordered", "b")], known, bought_together=3) == {"bought_together": "cd"}
    assert chosen(person("a"), [live("ordered", "d")], known, bought_together=3) == {"bought_together": "bc"}
    assert chosen(person(e=(None, 1, None)), known=known, bought_together=3) == {"bought_together": "f"}
    assert chosen(person(e=(1, None, None)), known=known, bought_together=3) == {"bought_together": ""}


PRICES = (
    # prices of the product, the person's currency, what is shown
    ({"EUR": "8.00", "USD": "9.00"}, "EUR", ("8.00", "EUR")),
    ({"EUR": "8.00", "USD": "9.00"}, "CHF", None),
    ({"EUR": "8.00", "USD": "9.00"}, None, None),
    ({"EUR": "8.00"}, None, ("8.00", "EUR")),
    ({"EUR": "8.00"}, "USD", None),
    ({}, "EUR", None),
)


@pytest.mark.parametrize(("prices", "currency", "shown"), PRICES)
def test_a_price_is_shown_in_the_persons_currency(
    prices: dict[str, str], currency: str | None, shown: tuple[str, str] | None
) -> None:
    known = Catalogue({"a": Product("A", "https://x.example/a", "https://x.example/a.jpg", prices)}, {"a": "a"}, ["a"])
    [found] = choose(person(currency=currency), LiveLayer(), known, {"in_season": 3})["in_season"]
    price = dict(zip(("price", "currency"), shown or (), strict=False))
    assert found == {"name": "A", "url": "https://x.example/a", "image_url": "https://x.example/a.jpg", **price}


def test_a_price_told_live_fills_a_gap() -> None:
    told = {"product_id": "n", "name": "N", "url": "https://x.example/n", "price": 12.5, "currency": "EUR"}
    layer = LiveLayer(events=[live("product_viewed", {**told, "price": 10}, hours=1), live("product_viewed", told)])
    [found] = choose(current(person(), layer), layer, Catalogue(), {"last_viewed": 1})["last_viewed"]
    assert (found["price"], found["currency"]) == ("12.50", "EUR")


def test_nothing_is_chosen_for_a_message_without_blocks() -> None:
    assert choose(person(a=(1, 1, None)), LiveLayer(), catalogue(), {}) == {}


IDS = st.sampled_from("abcdez")
EVENTS = st.lists(
    st.builds(
        live,
        st.sampled_from(
            ("product_viewed", "added_to_cart", "removed_from_cart", "checkout_started", "ordered", "viewed")
        ),
        IDS | st.just("sku-a"),
        hours=st.integers(0, 5),
    ),
    max_size=12,
    unique_by=lambda one: one.event_id,
)
TIMES = st.none() | st.integers(0, 5)
PEOPLE = st.builds(
    lambda bought, interests: person("".join(bought), **interests),
    st.lists(IDS, unique=True, max_size=3),
    st.dictionaries(IDS, st.tuples(TIMES, TIMES, TIMES), max_size=4),
)
CATALOGUES = st.builds(
    catalogue,
    st.dictionaries(IDS, st.dictionaries(IDS, st.floats(0.01, 1), max_size=4), max_size=5),
    st.permutations("abcdefgh").map("".join),
)
BLOCKS = st.dictionaries(st.sampled_from(PRODUCT_CHOICES), st.integers(1, 4))


@given(PEOPLE, EVENTS, CATALOGUES, BLOCKS)
def test_nothing_they_have_nothing_twice_nothing_without_a_page(
    document: ProfileDocument, events: list[LiveEvent], known: Catalogue, blocks: dict[ProductChoice, int]
) -> None:
    found = chosen(document, events, known, **blocks)
    had = {*document["products"]["bought"]}
    had |= {
        known.ids[line.product["product_id"]]
        for line in LiveLayer(events=events).products
        if line.event_type == "ordered"
    }
    visible = "".join(names[: blocks[choice]] for choice, names in found.items()) if blocks else ""
    assert not had & set(visible) and len(set(visible)) == len(visible) and "z" not in visible


@given(EVENTS, st.integers(0, 12), CATALOGUES)
def test_what_is_live_and_what_is_published_give_the_same_lists(
    events: list[LiveEvent], count: int, known: Catalogue
) -> None:
    """Whatever part of the events the last run has seen, and in whatever order they came."""
    document = person()
    seen = LiveLayer(events=events[:count])
    products: PersonProducts = current(document, seen).get("products", document["products"])
    assert chosen({**document, "products": products}, events[count:], known) == chosen(document, events, known)
