"""Telegram's webhook: an update a request, with the secret that was given to `setWebhook` in a header.

Format: https://core.telegram.org/bots/api#setwebhook. The body is not signed, and the scheme has no time. An update is
known again by its content: its number may be drawn anew after a week without any.
"""

from __future__ import annotations

from datetime import datetime

from cdp.webhooks import Refused, Request, Secret, Secrets, Webhook, same
from cdp.webhooks.payloads import by_id

TOKEN = "X-Telegram-Bot-Api-Secret-Token"


def verify(request: Request, secrets: Secrets, _now: datetime) -> None:
    """Raise `Refused` unless the request has the secret."""
    if not same(request.header(TOKEN), secrets["secret_token"]):
        raise Refused("the secret token does not match")


WEBHOOK = Webhook(
    provider="telegram",
    secrets=(Secret("secret_token", "the secret_token given to setWebhook"),),
    verify=verify,
    items=by_id(),
)
