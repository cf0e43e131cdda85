"""Standard Webhooks, for senders without a scheme of their own: HMAC-SHA256 over id, time and raw body.

Format: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (symmetric, `v1`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

from cdp.webhooks import Item, Refused, Request, Secret, Secrets, UnusableSecret, Webhook, at_unix, check_age, same
from cdp.webhooks.payloads import is_id, item, records

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def verify(request: Request, secrets: Secrets, now: datetime) -> None:
    """Raise `Refused` unless one of the signatures is valid and the time is within five minutes."""
    message_id, timestamp = request.header(ID), request.header(TIMESTAMP)
    signed = b".".join([message_id.encode(), timestamp.encode(), request.body])
    expected = base64.b64encode(hmac.digest(_key(secrets["secret"]), signed, hashlib.sha256)).decode()
    given = [signature.partition(",") for signature in request.header(SIGNATURE).split()]
    matches = [version == "v1" and same(signature, expected) for version, _, signature in given]
    if not any(matches):
        raise Refused("no signature matches")
    check_age(at_unix(timestamp, TIMESTAMP, now), now)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise UnusableSecret("secret is not base64, with or without the prefix whsec_") from None
    if not key:  # anybody could sign with it
        raise UnusableSecret("secret has nothing after its prefix whsec_")
    return key


_SECRET = Secret("secret", "the Standard Webhooks secret, whsec_…", _key)


def _items(request: Request) -> list[Item]:
    """The records of the body, under the request's id, which is the same for a redelivery."""
    message_id = request.header(ID)
    if not is_id(message_id):
        raise Refused(f"{ID} is not an id")
    found = records(request)
    if len(found) == 1:
        return [item(found[0], message_id)]
    return [item(record, f"{message_id}:{position}") for position, record in enumerate(found, start=1)]


def webhook(items: Callable[[Request], Sequence[Item]] = _items) -> Webhook:
    """A webhook with this scheme; `items` replaces the reader for records with their own ids."""
    return Webhook(secrets=(_SECRET,), verify=verify, items=items)


STANDARD = webhook()
