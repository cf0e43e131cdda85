"""Mailgun's webhooks: HMAC-SHA256 over a timestamp and a random token.

Format: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks. The body is not signed,
so an attacker who has seen a request could reuse its signature with another body: a token is valid for one body, which
Mailgun sends again if it got no answer.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cdp.webhooks import Item, Refused, Request, Secret, Secrets, Webhook, at_unix, check_age, same
from cdp.webhooks.payloads import document, form_fields, is_id, item

# Mailgun retries for eight hours, with the signature of the first attempt.
_MAX_AGE = timedelta(hours=8, minutes=5)


def verify(request: Request, secrets: Secrets, now: datetime) -> None:
    """Raise `Refused` unless the token and its time are signed with the signing key."""
    timestamp, token, signature = _signed(request)
    signed = hmac.digest(secrets["signing_key"].encode(), f"{timestamp}{token}".encode(), hashlib.sha256)
    if not same(signature, signed.hex()):
        raise Refused("the signature does not match")
    check_age(at_unix(timestamp, "timestamp", now), now, max_age=_MAX_AGE)


def items(request: Request) -> list[Item]:
    """The one event of a request, without the fields of the signature. Its id is derived from the token."""
    _, token, _ = _signed(request)
    return [item(_event(request), hashlib.sha256(token.encode()).hexdigest())]


def _signed(request: Request) -> tuple[str, str, str]:
    """Timestamp, token and signature: an object in a JSON body, or fields of a legacy form."""
    content = _content(request)
    block = content.get("signature")
    holder: Mapping[str, Any] = block if isinstance(block, dict) else content
    timestamp, token, signature = (str(holder.get(name, "")) for name in ("timestamp", "token", "signature"))
    if not (is_id(timestamp) and is_id(token) and is_id(signature)):
        raise Refused("timestamp, token or signature is missing")
    return timestamp, token, signature


def _event(request: Request) -> Mapping[str, Any]:
    return {name: value for name, value in _content(request).items() if name not in ("signature", "token")}


def _content(request: Request) -> Mapping[str, Any]:
    if "form" in request.headers.get("content-type", ""):
        return dict(form_fields(request))
    content = document(request)
    return content if isinstance(content, dict) else {}


WEBHOOK = Webhook(
    provider="mailgun",
    secrets=(Secret("signing_key", "the HTTP webhook signing key"),),
    verify=verify,
    items=items,
    is_single_use=True,
)
