"""What a person is interested in: the live counterpart of `interests.sql` in a run.

Of each product the last time of each kind of event counts, so that events may come in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from typing_extensions import TypedDict

from cdp.people.document import Interest, PersonProducts

_Kind = Literal["viewed_at", "added_at", "removed_at"]
# A checkout tells what is in the cart as it starts.
_KINDS: Mapping[str, _Kind] = {
    "product_viewed": "viewed_at",
    "added_to_cart": "added_at",
    "checkout_started": "added_at",
    "removed_from_cart": "removed_at",
}
NO_PRODUCTS = PersonProducts(bought=[], interests=[])


class ToldProduct(TypedDict):
    """A product as an event tells of it, in the words of `conformed.event_products`. A claim only tells which one."""

    product_id: str
    sku: str | None
    name: str | None
    url: str | None
    image_url: str | None
    price: float | None
    currency: str | None


class ProductLine(NamedTuple):
    """A product in an event. at: the time of the event, as documents write it."""

    event_type: str
    at: str
    product: ToldProduct


def with_told(known: PersonProducts, lines: Iterable[ProductLine]) -> PersonProducts:
    """What was published, and what events have told since."""
    lines = list(lines)
    if not lines:
        return known
    bought_at: dict[str, str] = {}
    for line in lines:
        if line.event_type == "ordered":
            bought_at[line.product["product_id"]] = max(line.at, bought_at.get(line.product["product_id"], ""))
    last_first = sorted(sorted(bought_at), key=bought_at.__getitem__, reverse=True)
    told = [
        _told(line.product["product_id"], _KINDS[line.event_type], line.at)
        for line in lines
        if line.event_type in _KINDS
    ]
    return _joined([*last_first, *known["bought"]], [*known["interests"], *told])


def renamed(known: PersonProducts, name_of: Callable[[str], str]) -> PersonProducts:
    """The same under other ids. Products that get one id become one."""
    interests: list[Interest] = [{**one, "product_id": name_of(one["product_id"])} for one in known["interests"]]
    return _joined(map(name_of, known["bought"]), interests)


def _told(product_id: str, kind: _Kind, at: str) -> Interest:
    blank = Interest(product_id=product_id, viewed_at=None, added_at=None, removed_at=None)
    return {**blank, kind: at}  # type: ignore[misc]


def _joined(bought: Iterable[str], interests: Sequence[Interest]) -> PersonProducts:
    bought = list(dict.fromkeys(bought))
    had = set(bought)
    found: dict[str, Interest] = {}
    for one in interests:
        if one["product_id"] not in had:
            earlier = found.get(one["product_id"], one)
            found[one["product_id"]] = Interest(
                product_id=one["product_id"],
                viewed_at=_later(earlier["viewed_at"], one["viewed_at"]),
                added_at=_later(earlier["added_at"], one["added_at"]),
                removed_at=_later(earlier["removed_at"], one["removed_at"]),
            )
    return PersonProducts(bought=bought, interests=list(found.values()))


def _later(one: str | None, other: str | None) -> str | None:
    return max(filter(None, (one, other)), default=None)
