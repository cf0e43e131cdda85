"""Meta's webhooks (WhatsApp, Messenger): HMAC-SHA256 of the raw body with the app's secret, and a GET challenge.

Format: https://developers.facebook.com/docs/graph-api/webhooks/getting-started. The scheme has no timestamp.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cdp.webhooks import Challenge, Item, Refused, Request, Secret, Secrets, Webhook, same

SIGNATURE = "X-Hub-Signature-256"


def verify(request: Request, secrets: Secrets, _now: datetime) -> None:
    """Raise `Refused` unless the body is signed with the app's secret."""
    digest = hmac.digest(secrets["app_secret"].encode(), request.body, hashlib.sha256)
    if not same(request.header(SIGNATURE), f"sha256={digest.hex()}"):
        raise Refused("the signature does not match")


def _echo(query: Mapping[str, str], secrets: Secrets) -> str:
    if query.get("hub.mode") != "subscribe" or not same(query.get("hub.verify_token", ""), secrets["verify_token"]):
        raise Refused("the verify token does not match")
    return query.get("hub.challenge", "")


def webhook(provider: str, items: Callable[[Request], Sequence[Item]]) -> Webhook:
    """A webhook with this scheme, whose bodies `items` reads."""
    return Webhook(
        provider=provider,
        secrets=(Secret("app_secret", "the Meta app's secret"),),
        verify=verify,
        items=items,
        challenge=Challenge((Secret("verify_token", "the verify token of the webhook subscription"),), _echo),
    )


def objects(holder: Any, key: str) -> list[dict[str, Any]]:
    """The objects of a list under `key`, if there is such a list."""
    found = holder.get(key) if isinstance(holder, dict) else None
    return [element for element in found if isinstance(element, dict)] if isinstance(found, list) else []
