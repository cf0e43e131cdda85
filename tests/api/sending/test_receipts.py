"""Receipts by a provider's real webhook: one SELECT for log, webhook and the state of messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.sending.messages import messages_of, update
from tests.api.sending.test_messages import read, send
from tests.api.service import NOW, Service
from tests.webhook_senders import SECRETS, SENDERS


@pytest.fixture
def service(store_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service that knows the secrets of webhooks."""
    found = Service(tmp_path / "home", store_url, webhooks=SECRETS)
    found.publish()
    yield found
    found.close()


def hand_over(service: Service, message_id: str, provider_id: str | None) -> None:
    """As the dispatcher leaves a message that SendGrid has taken."""
    with service.store.write() as connection:
        message = messages_of(connection, [message_id])[message_id]
        update(connection, [replace(message, state="accepted", provider="sendgrid", provider_id=provider_id)])


def report(service: Service, event: str, **fields: str) -> None:
    at = int(service.clock.now.timestamp())
    payload = {"event": event, "email": "ann@example.com", "timestamp": at, "sg_event_id": f"e-{event}", **fields}
    request = SENDERS["sendgrid"]([payload], service.clock.now)
    answer = service.http.post("/webhooks/sendgrid", content=request.body, headers=dict(request.headers))
    assert answer.status_code in (200, 204), answer.text


def test_by_our_own_id(service: Service) -> None:
    message_id = send(service).json()["message_id"]
    hand_over(service, message_id, None)
    report(service, "delivered", message_id=message_id, sg_message_id="x.filter1")
    report(service, "open", message_id=message_id, sg_message_id="x.filter1")
    found = read(service, f"/{message_id}").json()
    assert found["state"] == "delivered" and found["opened_at"] == NOW.isoformat().replace("+00:00", "Z")


def test_by_the_providers_id_which_only_begins_with_what_it_answered(service: Service) -> None:
    message_id = send(service).json()["message_id"]
    hand_over(service, message_id, "14c5d75ce93")
    report(service, "bounce", sg_message_id="14c5d75ce93.filter0307p1las1-16648-5515E0B88.0")
    assert read(service, f"/{message_id}").json()["state"] == "bounced"
