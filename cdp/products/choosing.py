"""Which products a message shows to a person: a pure function of the person, the catalogue and the message's blocks.

Never one that the person has bought, none twice in one message, and only those that have a name and a page.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import fsum

from cdp.content.model import MOST_PRODUCTS, PRODUCT_CHOICES, ProductChoice
from cdp.people.current import LiveLayer
from cdp.people.document import PersonProducts, ProfileDocument
from cdp.people.interests import NO_PRODUCTS, ToldProduct, renamed

# What goes with older purchases is no longer looked for.
MOST_BOUGHT = 20


@dataclass(frozen=True)
class Product:
    """A product as the last run published it.

    prices: by currency. goes_with: other products, each with its similarity.
    """

    name: str | None = None
    url: str | None = None
    image_url: str | None = None
    prices: Mapping[str, str] = field(default_factory=dict)
    goes_with: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class Catalogue:
    """The part of the catalogue that some people's products need.

    products: by id. ids: by every name under which sources know a product. in_season: ids, the steepest rise first.
    """

    products: Mapping[str, Product] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    in_season: Sequence[str] = ()


# What Liquid sees of a product: name, url, and where it is known image_url, and price with currency.
Shown = dict[str, str]


def choose(
    document: ProfileDocument, live: LiveLayer, catalogue: Catalogue, blocks: Mapping[ProductChoice, int]
) -> Mapping[str, Sequence[Shown]]:
    """The products for each of the choices that a message uses, best first.

    Args:
        document: the person as of now. live: what has been told since the last run.
        blocks: how many products the message shows of each choice. Those are not in the lists of later choices.
    """
    if not blocks:
        return {}
    known = _with_told(catalogue, [line.product for line in live.products])
    mine = renamed(document.get("products", NO_PRODUCTS), lambda key: known.ids.get(key, key))
    candidates = _candidates(mine, known)
    currency = document["metrics"].get("currency")
    shown = set(mine["bought"])
    chosen: dict[str, Sequence[Shown]] = {}
    for choice in PRODUCT_CHOICES:
        if choice in blocks:
            fitting = [one for one in candidates[choice] if one not in shown and _is_complete(known, one)]
            shown.update(fitting[: blocks[choice]])
            chosen[choice] = [_shown(known.products[one], currency) for one in fitting[:MOST_PRODUCTS]]
    return chosen


def _with_told(catalogue: Catalogue, told: Sequence[ToldProduct]) -> Catalogue:
    """The catalogue with what the person's own events since the run tell, where it says nothing."""
    ids, products = dict(catalogue.ids), dict(catalogue.products)
    # The last telling counts.
    for one in reversed(told):
        key, sku = one["product_id"], one["sku"]
        product_id = ids.setdefault(key, ids.get(sku or key, key))
        ids.setdefault(sku or key, product_id)
        products[product_id] = _completed(products.get(product_id, Product()), one)
    return replace(catalogue, products=products, ids=ids)


def _completed(known: Product, told: ToldProduct) -> Product:
    price, currency = told["price"], told["currency"]
    new = {currency: f"{Decimal(str(price)):.2f}"} if price is not None and currency is not None else {}
    return replace(
        known,
        name=known.name or told["name"],
        url=known.url or told["url"],
        image_url=known.image_url or told["image_url"],
        prices={**new, **known.prices},
    )


def _candidates(mine: PersonProducts, catalogue: Catalogue) -> Mapping[ProductChoice, Sequence[str]]:
    """The ids for each choice, best first."""
    carted = {
        one["product_id"]: one["added_at"]
        for one in mine["interests"]
        if (one["added_at"] or "") > (one["removed_at"] or "")
    }
    viewed = {one["product_id"]: one["viewed_at"] for one in mine["interests"]}
    in_cart = _last_first(carted)
    return {
        "in_cart": in_cart,
        "last_viewed": _last_first(viewed),
        "bought_together": _going_with([*mine["bought"][:MOST_BOUGHT], *in_cart], catalogue),
        "in_season": catalogue.in_season,
    }


def _last_first(times: Mapping[str, str | None]) -> list[str]:
    known = {product_id: at for product_id, at in times.items() if at}
    return sorted(sorted(known), key=known.__getitem__, reverse=True)


def _going_with(bases: Collection[str], catalogue: Catalogue) -> list[str]:
    """What goes with the bases, by the sum of its similarities to them."""
    found: dict[str, list[float]] = {}
    for base in bases:
        for product_id, similarity in catalogue.products.get(base, Product()).goes_with:
            if product_id not in bases:
                found.setdefault(product_id, []).append(similarity)
    return sorted(found, key=lambda product_id: (-fsum(found[product_id]), product_id))


def _is_complete(catalogue: Catalogue, product_id: str) -> bool:
    product = catalogue.products.get(product_id, Product())
    return product.name is not None and product.url is not None


def _shown(product: Product, currency: str | None) -> Shown:
    """With the price in the person's currency; in the only one that there is, if the person's is not known."""
    usual = currency or (next(iter(product.prices)) if len(product.prices) == 1 else "")
    price = {"price": product.prices[usual], "currency": usual} if usual in product.prices else {}
    image = {"image_url": product.image_url} if product.image_url else {}
    return {"name": str(product.name), "url": str(product.url), **image, **price}
