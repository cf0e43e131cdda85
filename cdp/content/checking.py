"""What is wrong with a template before anybody gets it: the longest values, the brand's words, prices in plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import NamedTuple

from cdp.content.compiled import Compiled
from cdp.content.liquid import ContentRefused
from cdp.content.model import PRODUCT_CHOICES, Brand, Template
from cdp.content.needs import WIDEST, longest_of, unclear
from cdp.content.rendering import Values, render
from cdp.content.words import price_in, words_of
from cdp.fields import CORE_TRAITS
from cdp.yaml_files import Place

_LONGEST_TRAIT = 40
_LONGEST_PRODUCT = {
    **{"name": "W" * 200, "url": f"https://shop.example.com/{'p' * 475}"},
    **{"image_url": f"https://shop.example.com/{'i' * 475}", "price": "1234567.89", "currency": "CHF"},
}
EXAMPLE_PERSON = {"first_name": "Sam", "last_name": "Example", "email": "sam@example.com", "city": "Zurich"}
_EXAMPLE_PRODUCT = {
    **{"name": "Trail shoes", "url": "https://shop.example.com/p/1", "price": "89.90", "currency": "EUR"},
    "image_url": "https://shop.example.com/i/1.jpg",
}
EXAMPLE_PRODUCTS: Mapping[str, Sequence[dict[str, str]]] = {choice: [_EXAMPLE_PRODUCT] for choice in PRODUCT_CHOICES}
_EXAMPLE_URL = f"https://cdp.example.com/u/{'t' * 120}"


class Problem(NamedTuple):
    """What is wrong, and with which field."""

    place: Place
    words: str


def problems_of(compiled: Compiled) -> Iterator[Problem]:
    """Everything that is wrong with a template."""
    unknown = [*_unclear_needs(compiled.template), *dict.fromkeys(_unknown_values(compiled))]
    yield from unknown or _unfit(compiled)
    # A text is read with values and with defaults, which may have one problem.
    yield from dict.fromkeys(
        problem for place, words in words_of(compiled.template) for problem in _said(compiled, place, words)
    )


def longest_values(template: Template) -> Values:
    """The longest values that the template may get; the first of them, where a value can be long in several ways."""
    return next(_longest_values(template))


def _longest_values(template: Template) -> Iterator[Values]:
    choices = {name: longest_of(need) for name, need in template.needs.items()}
    for number in range(max(map(len, choices.values()), default=1)):
        yield Values(
            person=dict.fromkeys(CORE_TRAITS, WIDEST * _LONGEST_TRAIT),
            data={name: found[min(number, len(found) - 1)] for name, found in choices.items()},
            offer=template.offer.shown if template.offer else {},
            products=dict.fromkeys(PRODUCT_CHOICES, [_LONGEST_PRODUCT] * 12),
            unsubscribe_url=_EXAMPLE_URL,
            is_chat_open=True,
        )


def example_values(template: Template) -> Values:
    """Values for a preview."""
    return Values(
        person=EXAMPLE_PERSON,
        data={name: need.example for name, need in template.needs.items()},
        offer=template.offer.shown if template.offer else {},
        products=EXAMPLE_PRODUCTS,
        unsubscribe_url="https://cdp.example.com/u/example",
    )


def _unclear_needs(template: Template) -> Iterator[Problem]:
    for name, need in template.needs.items():
        if words := unclear(need):
            yield Problem(("needs", name), words)


def _unfit(compiled: Compiled) -> Iterator[Problem]:
    """Channels whose message is too long with the longest values, or cannot be rendered: nothing is known of many
    people but an address.
    """
    longest = list(_longest_values(compiled.template))
    nothing_known = replace(longest[0], person={}, products={})
    cases = [*(("with the longest values", values) for values in longest), ("without any trait", nothing_known)]
    for language, channel in compiled.parts:
        for case, values in cases:
            spoken = replace(values, person={**values.person, "language": language})
            try:
                render(compiled, channel, spoken, compiled.brand)
            except ContentRefused as error:
                yield Problem(("languages", language, channel), f"{case}: {error.what}")
                break


def _unknown_values(compiled: Compiled) -> Iterator[Problem]:
    """Values that nobody gives: in a filter, Liquid would take them for nothing."""
    template = compiled.template
    known: Mapping[object, set[str]] = {
        **{"data": {*template.needs}, "offer": {*(template.offer.shown if template.offer else ())}},
        **{"products": {*PRODUCT_CHOICES}, "person": {*CORE_TRAITS}},
    }
    for (language, channel), parts in compiled.parts.items():
        for part in parts.values():
            for variable in (one for found in part.analyze().globals.values() for one in found):
                root, *rest = variable.segments
                if root in known and rest and rest[0] not in known[root]:
                    near = "".join(f": is it {root}.{one}?" for one in get_close_matches(str(rest[0]), known[root], 1))
                    yield Problem(("languages", language, channel), f"{root}.{rest[0]} is given by nobody{near}")


def _said(compiled: Compiled, place: Place, words: str) -> Iterator[Problem]:
    """What the words of a text must not say: the brand's rules, and prices that no offer claims or changes."""
    yield from _off_brand(compiled.brand, place, words)
    if price := price_in(words):
        found = f"{price} is a price or a percentage"
        if compiled.template.offer is None:
            yield Problem(place, f"{found}, but the template declares no offer")
        else:
            yield Problem(place, f"{found} beside the offer, which may have other terms: show them from offer.…")


def _off_brand(brand: Brand, place: Place, words: str) -> Iterator[Problem]:
    for word in brand.avoid:
        if _has_word(words, word):
            yield Problem(place, f"the brand does not say {word!r}")
    for word, better in brand.instead.items():
        if _has_word(words, word):
            yield Problem(place, f"the brand says {better!r} instead of {word!r}")


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None
