"""WhatsApp's webhook: Meta's scheme, and bodies that hold any number of statuses, messages and preferences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdp.webhooks import Item, Request
from cdp.webhooks.meta import objects, webhook
from cdp.webhooks.payloads import document, item

# The lists of a change whose elements are each about one person, and the keys that identify an element.
_PARTS = {"statuses": ("id", "status"), "messages": ("id",), "user_preferences": ()}


def items(request: Request) -> list[Item]:
    """One item per status, message or preference, each in its own body; other changes and bodies stay whole."""
    body = document(request)
    found = [part for entry, change in _changes(body) for part in _parts(body, entry, change)]
    return found or [item(body)]


def _changes(body: Any) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Pairs of an entry and one of its changes."""
    for entry in objects(body, "entry"):
        for change in objects(entry, "changes"):
            yield entry, change


def _parts(body: Mapping[str, Any], entry: Mapping[str, Any], change: Mapping[str, Any]) -> Iterator[Item]:
    value = change.get("value")
    shared = {key: kept for key, kept in value.items() if key not in _PARTS} if isinstance(value, dict) else {}
    found = [(name, part) for name in _PARTS for part in objects(value, name)]
    for name, part in found:
        one = {**body, "entry": [{**entry, "changes": [{**change, "value": {**shared, name: [part]}}]}]}
        yield item(one, _part_id(name, part))
    if not found:
        yield item({**body, "entry": [{**entry, "changes": [change]}]})


def _part_id(name: str, part: Mapping[str, Any]) -> str | None:
    keys = [part.get(key) for key in _PARTS[name]]
    return ":".join([name, *map(str, keys)]) if keys and all(keys) else None


WEBHOOK = webhook("whatsapp", items)
