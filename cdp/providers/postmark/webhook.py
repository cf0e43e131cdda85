"""Postmark's webhooks: they are not signed, but can be given a user name and a password.

Format: https://postmarkapp.com/developer/webhooks/webhooks-overview.
"""

from __future__ import annotations

from cdp.webhooks import Webhook, basic
from cdp.webhooks.payloads import by_id

WEBHOOK = Webhook(
    provider="postmark",
    secrets=("username", "password"),
    verify=basic.verify,
    items=by_id(),
    auth_scheme="Basic",
)
