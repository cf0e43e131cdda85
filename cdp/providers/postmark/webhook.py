"""Postmark's webhooks: they are not signed, but can use HTTP Basic authentication.

Format: https://postmarkapp.com/developer/webhooks/webhooks-overview.
"""

from __future__ import annotations

from cdp.webhooks import Secret, Webhook, basic
from cdp.webhooks.payloads import by_id

WEBHOOK = Webhook(
    provider="postmark",
    secrets=(
        Secret("username", "the user name in the webhook's settings"),
        Secret("password", "the password in the webhook's settings"),
    ),
    verify=basic.verify,
    items=by_id(),
    auth_scheme="Basic",
)
