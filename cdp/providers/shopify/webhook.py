"""Shopify's webhooks: base64 HMAC-SHA256 over the raw body.

Format: https://shopify.dev/docs/apps/build/webhooks/subscribe/https. A delivery is a document of its topic; those that
are neither orders, customers nor checkouts are accepted, and rejected with a reason. The scheme has no time, and the
headers are not signed: a redelivery is known by its content.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from cdp.webhooks import Refused, Request, Secret, Secrets, Webhook, same
from cdp.webhooks.payloads import by_id

SIGNATURE = "X-Shopify-Hmac-Sha256"


def verify(request: Request, secrets: Secrets, now: datetime) -> None:
    """Raise `Refused` unless the body is signed with the app's secret."""
    digest = hmac.digest(secrets["secret"].encode(), request.body, hashlib.sha256)
    if not same(request.header(SIGNATURE), base64.b64encode(digest).decode()):
        raise Refused("the signature does not match")


WEBHOOK = Webhook(
    secrets=(Secret("secret", "the app's client secret, or the key shown below the shop's webhooks"),),
    verify=verify,
    items=by_id(lists=("orders", "customers", "checkouts")),
)
