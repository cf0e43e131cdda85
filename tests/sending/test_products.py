"""Products in messages, from the published catalogue and the person's events to the mail that goes out."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from cdp.delivery import Email
from cdp.people.current import LiveEvent
from cdp.people.live_layer import add
from cdp.people.published import PublishedChanges, apply_publish
from cdp.products.published import drop_products, known_products, put_products
from tests.sending.world import NOW, World

COLUMNS = ("key", "product_id", "document", "document_hash", "season_rank")
SCHEMA = {**dict.fromkeys(COLUMNS, pl.String), "season_rank": pl.Int64}


def product(name: str, rank: int | None = None, **goes_with: float) -> tuple[Any, ...]:
    document = {
        **{"name": name.title(), "url": f"https://x.example/{name}", "image_url": None, "prices": {"CHF": "9.50"}},
        "goes_with": list(goes_with.items()),
    }
    return (name, name, json.dumps(document), f"hash-of-{name}", rank)


CATALOGUE = [
    product("mug", 1),
    product("rope", 2),
    product("tent", None, mug=0.5),
    ("sku-rope", "rope", None, None, None),
]


METRICS = {"currency": "CHF", "event_count": 0, "first_event_at": None, "last_event_at": None}


def publish(world: World, *rows: tuple[Any, ...]) -> None:
    with world.store.write() as connection:
        put_products(connection, pl.DataFrame(rows, schema=SCHEMA, orient="row"))


def show_interest(world: World, profile_id: str, **products: Any) -> None:
    """Publish the person's products."""
    with world.store.write() as connection:
        [text] = connection.exec_driver_sql(
            f"select document from profiles where profile_id = '{profile_id}'"
        ).scalars()
        document = json.dumps(
            {**json.loads(text), "metrics": METRICS, "products": {"bought": [], "interests": [], **products}}
        )
        row = pl.DataFrame(
            [(profile_id, document, "new")], schema=PublishedChanges(NOW).profiles_upsert.schema, orient="row"
        )
        apply_publish(connection, PublishedChanges(NOW, profiles_upsert=row))


def happens(world: World, profile_id: str, event_type: str, product_id: str) -> None:
    """An event since the run."""
    line = {**dict.fromkeys(("sku", "name", "url", "image_url", "price", "currency")), "product_id": product_id}
    event = LiveEvent(
        f"{event_type}-{product_id}", profile_id, "web", event_type, None, NOW, False, 1, products=json.dumps([line])
    )
    with world.store.write() as connection:
        add(connection, [], [], [event])


def mails(world: World) -> list[str]:
    """The products in the mails that went out."""
    world.work()
    contents = [one.content for one in world.recorder.ledger]
    return [
        "".join(line for line in one.text.splitlines() if line.startswith("- "))
        for one in contents
        if isinstance(one, Email)
    ]


def reminded(world: World, profile_id: str) -> str:
    world.send(profile_id, "cart_reminder", channels=("email",), purpose="transactional")
    return mails(world)[-1]


def test_a_mail_shows_products_and_leaves_blocks_out_that_have_none(world: World) -> None:
    [ann] = world.people("ann")
    assert reminded(world, ann) == ""
    publish(world, *CATALOGUE)
    show_interest(world, ann, bought=["tent"])
    happens(world, ann, "added_to_cart", "sku-rope")
    assert reminded(world, ann) == "- Rope, 9.50 CHF (https://x.example/rope)- Mug, 9.50 CHF (https://x.example/mug)"
    assert world.recorder.ledger[-1].content.subject == "Rope is still in your cart"  # type: ignore[union-attr]


def test_what_was_bought_since_the_run_is_not_shown(world: World) -> None:
    [ann] = world.people("ann")
    publish(world, *CATALOGUE)
    added = {"viewed_at": None, "added_at": "2026-06-30T10:00:00.000Z", "removed_at": None}
    show_interest(world, ann, interests=[{"product_id": "rope", **added}])
    assert "Rope" in reminded(world, ann)
    happens(world, ann, "ordered", "sku-rope")
    assert reminded(world, ann) == ""


def test_each_of_many_gets_their_own(world: World) -> None:
    ann, ben, cat = world.people("ann", "ben", "cat")
    publish(world, *CATALOGUE)
    show_interest(world, ann, bought=["mug"])
    show_interest(world, ben)
    happens(world, ben, "ordered", "rope")
    world.send_all(*(world.wanted(one, channels=("email",)) for one in (ann, ben, cat)))
    world.work()
    lists = {}
    for one in world.recorder.ledger:
        assert isinstance(one.content, Email)
        lists[one.address[:3]] = "".join(name for name in ("Mug", "Rope") if f"- {name}," in one.content.text)
    assert lists == {"ann": "Rope", "ben": "Mug", "cat": "MugRope"}


def test_a_publish_replaces_and_drops_products(world: World) -> None:
    publish(world, *CATALOGUE)
    with world.store.write() as connection:
        put_products(connection, pl.DataFrame([("mug", "cup", None, None, None)], schema=SCHEMA, orient="row"))
        drop_products(connection, pl.DataFrame({"key": ["rope", "sku-rope", "unknown"]}))
        assert known_products(connection).rows() == [("mug", "cup", None, None), ("tent", "tent", "hash-of-tent", None)]
