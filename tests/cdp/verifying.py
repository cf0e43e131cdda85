"""Requests to webhooks as the verifier sees them: signed by `tests/webhook_senders.py`, or recorded by others."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cdp.live.verify import Verifier
from cdp.providers import load_sources
from cdp.settings import WebhookSecrets
from cdp.webhooks import Refused, Request
from tests.webhook_senders import SECRETS, Amazon, secrets_of

PROVIDERS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "providers"
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SOURCES = load_sources()

PAYLOADS: dict[str, Any] = {
    "sendgrid": [{"email": "ann@example.com", "event": "open", "sg_event_id": "e1", "timestamp": 1782907200}],
    "twilio": {"MessageSid": "SM1", "From": "+14155550100", "To": "+14155550199", "Body": "STOP & more="},
    "mailgun": {"event": "opened", "id": "e1", "recipient": "ann@example.com", "timestamp": 1782907200.5},
    "postmark": {"RecordType": "Open", "Recipient": "ann@example.com", "MessageID": "m1"},
    "ses": {"eventType": "Send", "mail": {"messageId": "m1", "destination": ["ann@example.com"]}},
    "whatsapp": {"object": "whatsapp_business_account", "entry": []},
    "messenger": {"object": "page", "entry": []},
    "telegram": {"update_id": 10000, "message": {"message_id": 1365, "date": 1782907200, "text": "hello"}},
    "shopify": {"id": 1, "email": "ann@example.com", "orders_count": 0},
    "segment": {"type": "track", "event": "e", "userId": "u1", "messageId": "m1"},
}


def verifier(secrets: WebhookSecrets = SECRETS, amazon: Amazon | None = None) -> Verifier:
    return Verifier(SOURCES, secrets, (amazon or Amazon()).fetch)


def opened(source: str, request: Request, *, now: datetime = NOW, checker: Verifier | None = None) -> list[Any]:
    """The items of a request to a source's webhook, as (message id, payload)."""
    checker = checker or verifier()
    items = checker.open(checker.webhook_of(source), request, now)
    return [(item.message_id, json.loads(item.payload)) for item in items]


def recorded(provider: str) -> list[dict[str, Any]]:
    if not PROVIDERS.exists():
        pytest.skip("the providers' payloads are not on this machine")
    lines = (PROVIDERS / "email_webhook_requests.jsonl").read_text().splitlines()
    return [found for line in lines if (found := json.loads(line))["provider"] == provider]


def as_request(found: dict[str, Any]) -> Request:
    body = base64.b64decode(found["body"]) if found["body_encoding"] == "base64" else found["body"].encode()
    headers = {name.removeprefix("HTTP_").replace("_", "-").lower(): value for name, value in found["headers"].items()}
    return Request(body, {"content-type": found["content_type"], **headers}, "https://example.com/")


def outcome(source: str, request: Request, secrets: dict[str, str], now: datetime = NOW) -> str:
    """The reason why a request is refused, or the number of its items."""
    checker = verifier(secrets_of({source: secrets}))
    try:
        return f"{len(checker.open(checker.webhook_of(source), request, now))} items"
    except Refused as error:
        return error.what
