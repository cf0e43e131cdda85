"""Meta's webhooks (WhatsApp): HMAC-SHA256 of the raw body with the app's secret, and an initial GET challenge.

Format: https://developers.facebook.com/docs/graph-api/webhooks/getting-started. The scheme has no timestamp.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cdp.webhooks import Challenge, Item, Refused, Request, Secret, Secrets, Webhook, same
from cdp.webhooks.payloads import document, item

SIGNATURE = "X-Hub-Signature-256"

# The lists of a change whose elements are each about one person, and the keys that identify an element.
_PARTS = {"statuses": ("id", "status"), "messages": ("id",), "user_preferences": ()}


def verify(request: Request, secrets: Secrets, now: datetime) -> None:
    """Raise `Refused` unless the body is signed with the app's secret."""
    digest = hmac.digest(secrets["app_secret"].encode(), request.body, hashlib.sha256)
    if not same(request.header(SIGNATURE), f"sha256={digest.hex()}"):
        raise Refused("the signature does not match")


def items(request: Request) -> list[Item]:
    """One item per status, message or preference, each in its own body; other changes and bodies stay whole."""
    body = document(request)
    found = [part for entry, change in _changes(body) for part in _parts(body, entry, change)]
    return found or [item(body)]


def _changes(body: Any) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Pairs of an entry and one of its changes."""
    for entry in _objects(body, "entry"):
        for change in _objects(entry, "changes"):
            yield entry, change


def _parts(body: Mapping[str, Any], entry: Mapping[str, Any], change: Mapping[str, Any]) -> Iterator[Item]:
    value = change.get("value")
    shared = {key: kept for key, kept in value.items() if key not in _PARTS} if isinstance(value, dict) else {}
    found = [(name, part) for name in _PARTS for part in _objects(value, name)]
    for name, part in found:
        one = {**body, "entry": [{**entry, "changes": [{**change, "value": {**shared, name: [part]}}]}]}
        yield item(one, _part_id(name, part))
    if not found:
        yield item({**body, "entry": [{**entry, "changes": [change]}]})


def _part_id(name: str, part: Mapping[str, Any]) -> str | None:
    keys = [part.get(key) for key in _PARTS[name]]
    return ":".join([name, *map(str, keys)]) if keys and all(keys) else None


def _objects(holder: Any, key: str) -> list[dict[str, Any]]:
    """The objects of a list under `key`, if there is such a list."""
    found = holder.get(key) if isinstance(holder, dict) else None
    return [element for element in found if isinstance(element, dict)] if isinstance(found, list) else []


def _echo(query: Mapping[str, str], secrets: Secrets) -> str:
    if query.get("hub.mode") != "subscribe" or not same(query.get("hub.verify_token", ""), secrets["verify_token"]):
        raise Refused("the verify token does not match")
    return query.get("hub.challenge", "")


WEBHOOK = Webhook(
    provider="whatsapp",
    secrets=(Secret("app_secret", "the Meta app's secret"),),
    verify=verify,
    items=items,
    challenge=Challenge((Secret("verify_token", "the verify token of the webhook subscription"),), _echo),
)
