"""What a message would be on each channel, for a dry run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from api.context import Context
from cdp.content.checking import EXAMPLE_PERSON, EXAMPLE_PRODUCTS
from cdp.content.limits import push_bytes
from cdp.content.liquid import ContentRefused
from cdp.content.rendering import Values, render
from cdp.content.texts import segments_of
from cdp.decision import Decision
from cdp.delivery import Content, Email, Push, Text
from cdp.people.reading import read_people
from cdp.products.choosing import Shown
from cdp.products.filling import Showing, products_for
from cdp.sending.accepting import Asking

Products = Mapping[str, Sequence[Shown]]


def previews(context: Context, asking: Asking, decision: Decision, *, shows_person: bool) -> list[dict[str, Any]]:
    """The message on each of its channels: as this person would see it, or with the values of an example."""
    if not shows_person:
        products: Mapping[str, Products] = dict.fromkeys(asking.asked.question.candidates, EXAMPLE_PRODUCTS)
        return list(_previews(context, asking, EXAMPLE_PERSON, products))
    traits, products = _of_person(context, asking, decision)
    return list(_previews(context, asking, traits, products))


def _previews(
    context: Context, asking: Asking, traits: Mapping[str, Any], products: Mapping[str, Products]
) -> Iterator[dict[str, Any]]:
    offer = asking.asked.question.offer
    terms = {"scope": offer.scope, **json.loads(offer.terms)} if offer else {}
    values = Values(person=traits, data=asking.wanted.data, offer=terms, is_chat_open=True)
    for channel in asking.asked.question.candidates:
        blank = dict.fromkeys(("language", "content", "segments", "encoding", "byte_count", "problem"))
        try:
            shown = replace(values, products=products.get(channel, {}))
            found = render(asking.wanted.content, channel, shown, context.tools.library.brand)
        except ContentRefused as error:
            yield {**blank, "channel": channel, "problem": error.what}
            continue
        sizes = _sizes(found.content)
        yield {
            **blank,
            "channel": channel,
            "language": found.language or None,
            "content": asdict(found.content),
            **sizes,
        }


def _of_person(
    context: Context, asking: Asking, decision: Decision
) -> tuple[Mapping[str, Any], Mapping[str, Products]]:
    """The person's traits, and the products that the message would show on each channel."""
    channels, content = asking.asked.question.candidates, asking.wanted.content
    with context.store.read() as connection:
        people = read_people(connection, {decision.profile_id} if decision.profile_id else set())
        person = people.get(str(decision.profile_id))
        if person is None:
            return {}, {}
        found = products_for(connection, [Showing(person, content, channel) for channel in channels])
    return person.document["traits"], dict(zip(channels, found, strict=True))


def _sizes(content: Content) -> dict[str, Any]:
    match content:
        case Text():
            encoding, count = segments_of(content.text)
            return {"segments": count, "encoding": encoding, "byte_count": len(content.text.encode())}
        case Email():
            return {"byte_count": len(content.html.encode()) + len(content.text.encode())}
        case Push():
            return {"byte_count": push_bytes(content)}
        case _:
            return {}
