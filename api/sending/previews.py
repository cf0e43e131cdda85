"""What a message would be on each channel, for a dry run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from api.context import Context
from cdp.content.checking import EXAMPLE_PERSON
from cdp.content.limits import push_bytes
from cdp.content.liquid import ContentRefused
from cdp.content.rendering import Values, render
from cdp.content.texts import segments_of
from cdp.decision import Decision
from cdp.delivery import Content, Email, Push, Text
from cdp.people.reading import read_people
from cdp.sending.accepting import Asking


def previews(context: Context, asking: Asking, decision: Decision, *, shows_person: bool) -> list[dict[str, Any]]:
    """The message on each of its channels: as this person would see it, or with the values of an example."""
    traits = _traits(context, decision) if shows_person else dict(EXAMPLE_PERSON)
    return list(_previews(context, asking, traits))


def _previews(context: Context, asking: Asking, traits: dict[str, Any]) -> Iterator[dict[str, Any]]:
    offer = asking.asked.question.offer
    terms = {"scope": offer.scope, **json.loads(offer.terms)} if offer else {}
    values = Values(person=traits, data=asking.wanted.data, offer=terms, is_chat_open=True)
    for channel in asking.asked.question.candidates:
        blank = dict.fromkeys(("language", "content", "segments", "encoding", "byte_count", "problem"))
        try:
            found = render(asking.wanted.content, channel, values, context.tools.library.brand)
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


def _traits(context: Context, decision: Decision) -> dict[str, Any]:
    if decision.profile_id is None:
        return {}
    with context.store.read() as connection:
        person = read_people(connection, {decision.profile_id}).get(decision.profile_id)
    return dict(person.document["traits"]) if person else {}


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
