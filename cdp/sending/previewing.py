"""A message before it goes out: what its person would get on each of its channels. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cdp.consent.links import carried
from cdp.content.checking import EXAMPLE_PERSON, EXAMPLE_PRODUCTS
from cdp.content.liquid import ContentRefused
from cdp.content.rendering import Rendered, Values, render
from cdp.decision import Decision
from cdp.people.reading import Person, find_person
from cdp.products.filling import Showing, products_for
from cdp.sending.accepting import Asking, shown_offer
from cdp.sending.personal import values_for
from cdp.sending.tools import Tools
from cdp.store import Connection

# As long as a real link, which would unsubscribe whoever follows it.
_EXAMPLE_TOKEN = "example" * 50


@dataclass(frozen=True)
class Preview:
    """The message on a channel, or why it cannot be rendered there."""

    channel: str
    rendered: Rendered | None = None
    problem: str | None = None


def previews(
    connection: Connection, asking: Asking, decision: Decision, tools: Tools, now: datetime, *, shows_person: bool
) -> list[Preview]:
    """The message on each channel that the request names, under the terms that the decision puts in force.

    Args:
        shows_person: whether it is as this person would see it, and not with the values of an example.
    """
    person = find_person(connection, decision.profile_id) if shows_person and decision.profile_id else None
    values = _of_person(connection, asking, person, now) if person else _of_example(asking)
    terms = decision.offer or asking.asked.question.offer
    offer = shown_offer(terms) if terms else {}
    return [_preview(asking, channel, replace(found, offer=offer), tools) for channel, found in values.items()]


def _of_person(connection: Connection, asking: Asking, person: Person, now: datetime) -> Mapping[str, Values]:
    """The person's values on each channel."""
    channels, wanted = asking.asked.question.candidates, asking.wanted
    products = products_for(connection, [Showing(person, wanted.content, channel) for channel in channels])
    return {
        channel: values_for(person, channel, wanted.data, {}, shown, None, now)
        for channel, shown in zip(channels, products, strict=True)
    }


def _of_example(asking: Asking) -> Mapping[str, Values]:
    values = Values(person=EXAMPLE_PERSON, data=asking.wanted.data, products=EXAMPLE_PRODUCTS, is_chat_open=True)
    return dict.fromkeys(asking.asked.question.candidates, values)


def _preview(asking: Asking, channel: str, values: Values, tools: Tools) -> Preview:
    if tools.policy.purposes[asking.wanted.purpose].needs_consent:
        example = carried(f"{tools.public_url}/u/{_EXAMPLE_TOKEN}", channel)
        values = replace(values, unsubscribe_url=example.url, headers=example.headers)
    try:
        return Preview(channel, render(asking.wanted.content, channel, values, tools.library.brand))
    except ContentRefused as error:
        return Preview(channel, problem=error.what)
