"""What a message would be on each channel, for a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from api.context import Context
from cdp.content.limits import push_bytes
from cdp.content.texts import segments_of
from cdp.decision import Decision
from cdp.delivery import Content, Email, Push, Text
from cdp.sending.accepting import Asking
from cdp.sending.previewing import Preview, previews


def preview_views(
    context: Context, asking: Asking, decision: Decision, *, shows_person: bool
) -> Sequence[dict[str, Any]]:
    """The message on each of its channels: as this person would see it, or with the values of an example."""
    with context.store.read() as connection:
        found = previews(connection, asking, decision, context.tools, context.clock(), shows_person=shows_person)
    return [_view(one) for one in found]


def _view(preview: Preview) -> dict[str, Any]:
    blank = dict.fromkeys(("language", "content", "segments", "encoding", "byte_count"))
    if preview.rendered is None:
        return {**blank, "channel": preview.channel, "problem": preview.problem}
    found = preview.rendered
    shown = {"language": found.language or None, "content": asdict(found.content), "problem": None}
    return {**blank, "channel": preview.channel, **shown, **_sizes(found.content)}


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
