"""A message before it goes out: what its person would get on each of its channels. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cdp.consent.links import Unsubscribe, carried
from cdp.content.checking import EXAMPLE_PERSON
from cdp.content.liquid import ContentRefused
from cdp.content.rendering import Rendered, Values, render
from cdp.decision import Decision
from cdp.people.reading import Person
from cdp.sending.accepting import Asking, shown_offer
from cdp.sending.personal import values_for
from cdp.sending.tools import Tools

# As long as a real link, which would unsubscribe whoever follows it.
_EXAMPLE_TOKEN = "example" * 50


@dataclass(frozen=True)
class Preview:
    """The message on a channel, or why it cannot be rendered there."""

    channel: str
    rendered: Rendered | None = None
    problem: str | None = None


def previews(asking: Asking, decision: Decision, person: Person | None, tools: Tools, now: datetime) -> list[Preview]:
    """The message on each channel that the request names, under the terms that the decision puts in force.

    Args:
        person: None to show the values of an example.
    """
    return [_preview(asking, decision, channel, person, tools, now) for channel in asking.asked.question.candidates]


def _preview(
    asking: Asking, decision: Decision, channel: str, person: Person | None, tools: Tools, now: datetime
) -> Preview:
    wanted = asking.wanted
    terms = decision.offer or asking.asked.question.offer
    offer = shown_offer(terms) if terms else {}
    needs_consent = tools.policy.purposes[wanted.purpose].needs_consent
    unsubscribe = carried(f"{tools.public_url}/u/{_EXAMPLE_TOKEN}", channel) if needs_consent else None
    values = (
        values_for(person, channel, wanted.data, offer, unsubscribe, now)
        if person
        else _example(wanted.data, offer, unsubscribe)
    )
    try:
        return Preview(channel, render(wanted.content, channel, values, tools.library.brand))
    except ContentRefused as error:
        return Preview(channel, problem=error.what)


def _example(data: Mapping[str, Any], offer: Mapping[str, Any], unsubscribe: Unsubscribe | None) -> Values:
    example = Values(person=EXAMPLE_PERSON, data=data, offer=offer, is_chat_open=True)
    return replace(example, unsubscribe_url=unsubscribe.url, headers=unsubscribe.headers) if unsubscribe else example
