"""Messenger's webhook: Meta's scheme, and bodies that hold any number of events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cdp.webhooks import Item, Request
from cdp.webhooks.meta import objects, webhook
from cdp.webhooks.payloads import document, item

# The lists of an entry whose elements are each about one person.
_LISTS = ("messaging", "standby")


def items(request: Request) -> list[Item]:
    """One item per event, each in its own body; other entries and bodies stay whole."""
    body = document(request)
    found = [part for entry in objects(body, "entry") for part in _parts(body, entry)]
    return found or [item(body)]


def _parts(body: dict[str, Any], entry: dict[str, Any]) -> Iterator[Item]:
    shared = {key: kept for key, kept in entry.items() if key not in _LISTS}
    found = [(name, event) for name in _LISTS for event in objects(entry, name)]
    for name, event in found:
        yield item({**body, "entry": [{**shared, name: [event]}]}, _message_id(event))
    if not found:
        yield item({**body, "entry": [entry]})


def _message_id(event: dict[str, Any]) -> str | None:
    """The id of an event that is a message; others are known by their content."""
    match event.get("message"):
        case {"mid": str(mid)}:
            return f"message:{mid}"
    return None


WEBHOOK = webhook("messenger", items)
