"""Reading the part of the catalogue that some people's messages need, with a fixed number of statements."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlalchemy as sa
from pydantic_core import from_json

from cdp.people.interests import NO_PRODUCTS
from cdp.people.reading import Person
from cdp.products.choosing import MOST_BOUGHT, Catalogue, Product
from cdp.products.tables import is_in_season, products
from cdp.store.prepared import Prepared, among

_SEASON = Prepared(sa.select(products.c.key).where(is_in_season).order_by(products.c.season_rank))
_BY_KEY = Prepared(
    sa.select(products.c.key, products.c.product_id, products.c.document).where(among(products.c.key, "keys"))
)


def read_catalogue(connection: sa.Connection, people: Collection[Person]) -> Catalogue:
    """What `choose` needs of the catalogue for these people; nothing is read if there are none."""
    if not people:
        return Catalogue()
    in_season = [key for (key,) in _SEASON.rows(connection)]
    found, ids = dict[str, Product](), dict[str, str]()
    _read(connection, {*in_season, *(key for person in people for key in _keys_of(person))}, found, ids)
    # Other names lead to products, and products to those that go with them.
    _read(connection, {*ids.values()} - found.keys(), found, ids)
    _read(connection, {key for one in found.values() for key, _ in one.goes_with} - found.keys(), found, ids)
    return Catalogue(found, ids, in_season)


def _read(connection: sa.Connection, keys: Collection[str], found: dict[str, Product], ids: dict[str, str]) -> None:
    for key, product_id, document in _BY_KEY.rows(connection, keys=keys) if keys else ():
        ids[key] = product_id
        if document is not None:
            found[product_id] = Product(**from_json(document))


def _keys_of(person: Person) -> Iterator[str]:
    mine = person.document.get("products", NO_PRODUCTS)
    yield from mine["bought"][:MOST_BOUGHT]
    yield from (one["product_id"] for one in mine["interests"])
    for line in person.live.products:
        yield line.product["product_id"]
        if line.product["sku"]:
            yield line.product["sku"]
