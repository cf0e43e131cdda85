"""With nothing configured: a message goes through the sandbox, and its receipt comes by the path of all receipts."""

from __future__ import annotations

import json

import pytest
import structlog

from cdp.segments.members import published_members
from cdp.sending.sandbox import SCRIPTS, script_of
from cdp.worker import opened_runner
from tests.api.service import Service

DATA = {"order_id": "A-1", "tracking_url": "https://post.example.com/t/1"}


def work(service: Service) -> None:
    context, members, log = service.app.state.context, published_members(service.settings), structlog.get_logger()
    opened = opened_runner(context.store, context.tools, context.receiver, members, service.clock, log)
    with opened as runner:
        runner.drain()


def send(service: Service, email: str) -> str:
    """Send to a person whom the server has just told; the id of the message."""
    headers = service.headers(service.everything)
    traits = {"email": email, "firstName": "Nora"}
    assert service.http.post("/v1/identify", json={"userId": email, "traits": traits}, headers=headers).is_success
    to = {"identifiers": [{"type": "email", "value": email}]}
    body = {"to": to, "template": "order_shipped", "data": DATA, "channels": ["email"]}
    response = service.http.post("/v1/messages", json=body, headers=headers)
    assert response.status_code == 202, response.text
    message_id: str = response.json()["message_id"]
    return message_id


def read(service: Service, message_id: str) -> dict[str, object]:
    headers = service.headers(service.everything)
    found: dict[str, object] = service.http.get(f"/v1/messages/{message_id}", headers=headers).json()
    return found


def test_it_is_written_to_the_outbox_and_reported_delivered(service: Service) -> None:
    message_id = send(service, "nora@example.com")
    work(service)
    assert read(service, message_id)["state"] == "accepted"
    outbox = service.home / "outbox"
    whole = json.loads((outbox / f"{message_id}.json").read_text())
    assert (whole["address"], whole["content"]["subject"]) == ("nora@example.com", "Your order A-1 is on its way")
    assert "A-1" in (outbox / f"{message_id}.html").read_text()
    assert outbox.stat().st_mode & 0o077 == 0
    service.clock.advance(seconds=2)
    work(service)
    found = read(service, message_id)
    assert (found["state"], found["provider"]) == ("delivered", "sandbox")
    assert [one["event_type"] for one in found["reports"]] == ["delivered"]  # type: ignore[attr-defined]


ADDRESSES = (
    # what the address does, the state in the end, reactions
    ("bounce", "bounced", ()),
    ("silent", "accepted", ()),
    ("doubt", "delivered", ()),
    ("refuse", "failed", ()),
    ("complain", "delivered", ("complained_at",)),
    ("open", "delivered", ("opened_at", "clicked_at")),
)


@pytest.mark.parametrize(("name", "state", "reactions"), ADDRESSES)
def test_simulator_addresses(service: Service, name: str, state: str, reactions: tuple[str, ...]) -> None:
    message_id = send(service, f"{name}+1@simulator.example.com")
    for _ in range(4):
        work(service)
        service.clock.advance(seconds=10)
    found = read(service, message_id)
    assert found["state"] == state
    assert tuple(one for one in ("opened_at", "clicked_at", "complained_at") if found[one]) == reactions


def test_every_kind_of_address_has_its_simulators() -> None:
    names = tuple(SCRIPTS)
    for number, name in enumerate(names, 1):
        script = SCRIPTS[name]
        assert script_of(f"{name}@simulator.example.com") == script
        assert script_of(f"simulator-{name}") == script_of(f"+4477009000{number:02}") == script
    delivered = script_of("ann@example.com")
    assert delivered == script_of("bounce@example.com") == script_of("+447700900099")
