"""What comes live and what comes in files give a person the same products, in any order and however it is split."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cdp.content.model import PRODUCT_CHOICES
from cdp.live import LiveItem, Receiver
from cdp.people.lookup import lookup
from cdp.people.reading import find_person
from cdp.products.choosing import choose
from cdp.products.reading import read_catalogue
from cdp.settings import Settings
from cdp.store import open_store
from tests.pipelines.runs import NOW, published, published_tables, run, settings_in, stored_tables, write_lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ungated")]

Payload = dict[str, Any]


def told(name: str) -> Payload:
    url = f"https://shop.example/{name}"
    return {"product_id": name, "name": name.title(), "url": url, "price": 9.5, "currency": "EUR"}


def call(event: str, *names: str, hour: int, user: str = "ann", **more: Any) -> Payload:
    """A call of Segment's e-commerce spec: one product among the properties, several in their list."""
    properties = told(names[0]) if len(names) == 1 else {"products": [told(name) for name in names]}
    return {
        **{"type": "track", "event": event, "userId": user, "messageId": f"{event}-{names}-{hour}-{user}"},
        **{"timestamp": f"2026-11-19T{hour:02}:00:00Z", "properties": properties, **more},
    }


# Others, so that the run finds what goes with what and what is in season; a product that only they have viewed.
OTHERS = [
    *(call("Order Completed", "mug", "bottle", hour=1, user=f"u{number}") for number in range(3)),
    *(call("Order Completed", "rope", hour=2, user=f"v{number}") for number in range(5)),
    call("Product Viewed", "stove", hour=3, user="w"),
    call("Product Viewed", "torch", hour=3, user="w"),
]
# The shop knows the mug by an id of its own.
ORDER = {
    **{"id": 7, "total_price": "9.50", "currency": "EUR", "created_at": "2026-11-19T12:00:00Z", "order_number": 7},
    **{"customer": {"id": "ann", "email": "ann@shop.example"}},
    "line_items": [{"product_id": 4711, "sku": "mug", "title": "Mug", "price": "9.50", "quantity": 1}],
}
HERS = [
    {"type": "identify", "userId": "ann", "messageId": "i", "timestamp": "2026-11-19T04:00:00Z",
     "traits": {"email": "ann@shop.example"}},
    call("Product Viewed", "mug", hour=5),
    call("Product Viewed", "stove", hour=6),
    call("Product Added", "stove", hour=7),
    call("Product Added", "torch", hour=8),
    call("Product Viewed", "torch", hour=9),
    call("Product Removed", "torch", hour=10),
    call("Product Added", "mug", hour=11),
]  # fmt: skip
EXPECTED = {"in_cart": ["Stove"], "last_viewed": ["Torch"], "bought_together": ["Bottle"], "in_season": ["Rope"]}


def receive(settings: Settings, payloads: Iterable[Payload]) -> None:
    """Each payload by itself."""
    store = open_store(settings.effective_store_url)
    receiver = Receiver(settings, store)
    for payload in payloads:
        item = LiveItem(str(payload.get("messageId", payload.get("id"))), payload)
        receiver.receive("shopify" if payload is ORDER else "segment", [item], NOW)
    receiver.close()
    store.close()


def shown(settings: Settings) -> Mapping[str, list[str]]:
    """The names that a message with a block of each choice shows her."""
    store = open_store(settings.effective_store_url)
    try:
        with store.read() as connection:
            found = find_person(connection, lookup(connection, [("email", "ann@shop.example")])[0].profile_id)
            assert found is not None
            catalogue = read_catalogue(connection, [found])
        chosen = choose(found.document, found.live, catalogue, dict.fromkeys(PRODUCT_CHOICES, 3))
        return {choice: [one["name"] for one in products] for choice, products in chosen.items()}
    finally:
        store.close()


def test_in_files(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    write_lines(tmp_path / "in" / "segment.jsonl", [*OTHERS, *HERS])
    write_lines(tmp_path / "in" / "shopify_orders.jsonl", [ORDER])
    run(settings, tmp_path / "in")
    assert shown(settings) == EXPECTED
    assert published(settings, "select product_id from products.keys where key = 'mug'") == [("4711",)]
    before = published_tables(settings), stored_tables(settings)
    run(settings, full=True)
    assert (published_tables(settings), stored_tables(settings)) == before


@pytest.mark.parametrize("seed", range(4))
def test_live_since_the_last_run_as_after_the_next(tmp_path: Path, seed: int) -> None:
    settings, chance = settings_in(tmp_path), random.Random(seed)
    hers = [*HERS, ORDER]
    chance.shuffle(hers)
    seen = chance.randint(0, len(hers))
    receive(settings, hers[:seen])
    write_lines(tmp_path / "in" / "segment.jsonl", OTHERS)
    run(settings, tmp_path / "in")
    receive(settings, hers[seen:])
    assert shown(settings) == EXPECTED
    run(settings)
    assert shown(settings) == EXPECTED


def test_a_write_key_tells_which_product_and_nothing_to_show(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    write_lines(tmp_path / "in" / "segment.jsonl", [*OTHERS, HERS[0]])
    run(settings, tmp_path / "in")
    claim = {"receivedBy": {"name": "page", "isClaim": True}}
    lure = {"name": "You have won", "url": "https://evil.example/", "image_url": "https://evil.example/i"}
    known = {**call("Product Added", "rope", hour=13), **claim, "properties": {"product_id": "rope", **lure}}
    unknown = {**call("Product Viewed", "lure", hour=14), **claim, "properties": {"product_id": "lure", **lure}}
    receive(settings, [known, unknown])
    for _ in range(2):
        assert (shown(settings)["in_cart"], shown(settings)["last_viewed"]) == (["Rope"], [])
        run(settings)
    [(told,)] = published(settings, "select count(*) from conformed.event_products where url like '%evil%'")
    assert told == 0
