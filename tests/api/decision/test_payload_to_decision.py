"""From a provider's signed webhook to the next decision, without a run in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cdp.access.clients import NewClient, add_client
from cdp.consent import Statement, contact_point_id
from cdp.consent.ledger import record
from cdp.people.document import blank_document
from cdp.people.published import PublishedChanges, apply_publish
from cdp.runs.ledger import record_run
from cdp.webhooks import Request
from tests import webhook_senders as senders
from tests.api.service import ANN, DOCUMENT, NOW
from tests.api.test_webhooks import Hooks

pytestmark = pytest.mark.slow

SECONDS = int(NOW.timestamp())
DAY = timedelta(days=1)
FREE = ("frequency_cap", "pass", "under_cap")
EMAIL, PHONE = ("email", "ann@example.com"), ("phone", "+14155550100")
CHANNELS = {"email": EMAIL, "sms": PHONE, "whatsapp": PHONE}


@dataclass
class Live:
    """A service with Ann, who was published by a run and has agreed to e-mail, SMS and WhatsApp, and a client."""

    home: Path
    store_url: str
    hooks: Hooks = field(init=False)
    client: NewClient = field(init=False)

    def __post_init__(self) -> None:
        self.hooks = Hooks(self.home, self.store_url)
        held = sorted(set(CHANNELS.values()))
        seen = {"quality": "unique", "sources": ["crm"], "last_seen_at": "2026-06-30T08:00:00.000Z"}
        identifiers = [{"type": kind, "value": value, **seen} for kind, value in held]
        metrics = blank_document(ANN, DOCUMENT["last_seen_at"])["metrics"]
        document = {**DOCUMENT, "identifiers": identifiers, "preferences": [], "metrics": metrics}
        granted = [
            Statement(contact_point_id(*point), point[0], one, "marketing", "granted", NOW - DAY, "crm", "person")
            for one, point in CHANNELS.items()
        ]
        with self.hooks.store.write() as connection:
            apply_publish(
                connection,
                PublishedChanges(
                    NOW,
                    profiles_upsert=pl.DataFrame(
                        {"profile_id": [ANN], "document": [json.dumps(document)], "document_hash": ["h"]}
                    ),
                    identifiers_insert=pl.DataFrame(
                        [(*one, ANN) for one in held], schema=["type", "value", "profile_id"], orient="row"
                    ),
                ),
            )
            record_run(connection, "run_1", NOW, NOW, True, {})
            record(connection, granted, NOW - DAY)
            self.client = add_client(connection, "client", ["decisions:read", "consents:write"], NOW)

    def headers(self) -> dict[str, str]:
        credentials = (self.client.client_id, self.client.client_secret)
        form = {"grant_type": "client_credentials"}
        token = self.hooks.http.post("/oauth/token", data=form, auth=credentials).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def receive(self, message: Request | dict[str, Any]) -> None:
        """Receive a provider's webhook, or record a client's consent."""
        if isinstance(message, Request):
            response = self.hooks.post(message)
            assert response.status_code == 200, response.text
            # The response to Twilio is TwiML, not JSON.
            assert message.url.endswith("twilio") or response.json()["rejected"] == 0, response.text
        else:
            response = self.hooks.http.post("/v1/consents", json=message, headers=self.headers())
            assert response.status_code == 201, response.text
        self.hooks.clock.advance(seconds=60)

    def decide(self, channel: str, **fields: Any) -> dict[str, Any]:
        question = {"profile_id": ANN, "purpose": "marketing", "candidates": [channel], **fields}
        answer = self.hooks.http.post("/v1/decisions", json=question, headers=self.headers())
        assert answer.status_code == 200, answer.text
        decision: dict[str, Any] = answer.json()
        return decision


@pytest.fixture
def live(store_url: str, tmp_path: Path) -> Iterator[Live]:
    made = Live(tmp_path / "home", store_url)
    yield made
    made.hooks.close()


def mail(event: str, after: int = 0, **more: Any) -> Request:
    """A SendGrid event about Ann's address."""
    details = {"email": "ann@example.com", "event": event, "timestamp": SECONDS + after}
    return senders.sendgrid([{**details, "sg_event_id": f"{event}-{after}", "sg_message_id": f"m{after}", **more}], NOW)


def text(word: str, number: int = 1) -> Request:
    """A message from Ann's phone, as forwarded by Twilio."""
    fields = {"MessageSid": f"SM{number}", "From": "+14155550100", "To": "+14155550199", "Body": word}
    return senders.twilio(fields | ({"OptOutType": word} if word in ("STOP", "START") else {}), NOW)


def track(event: str, **properties: Any) -> Request:
    call = {"type": "track", "event": event, "userId": "u1", "messageId": event, "timestamp": "2026-07-01T12:00:30Z"}
    context = {"traits": {"email": "ann@example.com"}}
    return senders.standard(call | {"properties": properties, "context": context}, NOW)


EVERYTHING = {
    **{"identifiers": [{"type": "email", "value": "ann@example.com"}], "channel": "email", "purpose": "marketing"},
    **{"state": "withdrawn", "scope": "all"},
}
BUYING = track("Order Completed", order_id="1", total="20.00", currency="USD")
HARD = {"type": "bounce", "reason": "550 no such user", "status": "5.1.1"}

ROWS: list[tuple[str, list[Request | dict[str, Any]], str, dict[str, Any], tuple[str, str, str]]] = [
    ("nothing", [], "email", {}, FREE),
    ("nothing", [], "sms", {}, FREE),
    ("STOP by SMS", [text("STOP")], "sms", {}, ("suppression", "fail", "stop")),
    ("STOP by SMS", [text("STOP")], "sms", {"purpose": "transactional"}, ("suppression", "fail", "stop")),
    ("STOP by SMS", [text("STOP")], "email", {}, FREE),
    ("STOP by SMS", [text("STOP")], "whatsapp", {}, FREE),
    ("STOP, then START", [text("STOP"), text("START", 2)], "sms", {}, FREE),
    ("a word that is not a command", [text("Please stop by")], "sms", {}, FREE),
    ("unsubscribe by e-mail", [mail("unsubscribe")], "email", {}, ("consent", "fail", "withdrawn")),
    (
        *("unsubscribe by e-mail", [mail("unsubscribe")], "email", {"purpose": "transactional"}),
        ("frequency_cap", "pass", "not_capped"),
    ),
    ("unsubscribe by e-mail", [mail("unsubscribe")], "sms", {}, FREE),
    (
        *("unsubscribe from a topic", [mail("group_unsubscribe", asm_group_id=7)], "email", {"topic": "7"}),
        ("consent", "fail", "withdrawn"),
    ),
    (
        *("unsubscribe from a topic", [mail("group_unsubscribe", asm_group_id=7)], "email", {"topic": "8"}),
        FREE,
    ),
    *(("unsubscribe from everything", [EVERYTHING], one, {}, ("consent", "fail", "withdrawn")) for one in CHANNELS),
    ("complaint", [mail("spamreport")], "email", {}, ("suppression", "fail", "complaint")),
    ("complaint", [mail("spamreport")], "email", {"purpose": "transactional"}, ("suppression", "fail", "complaint")),
    ("complaint", [mail("spamreport")], "sms", {}, FREE),
    ("hard bounce", [mail("bounce", **HARD)], "email", {}, ("suppression", "fail", "hard_bounce")),
    (
        *("hard bounce", [mail("bounce", **HARD)], "email", {"purpose": "transactional"}),
        ("suppression", "fail", "hard_bounce"),
    ),
    ("soft bounce", [mail("bounce", type="blocked")], "email", {}, FREE),
    (
        *("hard bounce, then delivered", [mail("bounce", **HARD), mail("delivered", 30)], "email", {}),
        FREE,
    ),
    (
        "re-subscribe to a topic",
        [mail("group_unsubscribe", asm_group_id=7), mail("group_resubscribe", 30, asm_group_id=7)],
        *("email", {"topic": "7"}, FREE),
    ),
    (
        *(
            "re-subscribe to a topic after leaving all",
            [mail("unsubscribe"), mail("group_resubscribe", 30, asm_group_id=7)],
        ),
        *("email", {"topic": "8"}, ("consent", "fail", "withdrawn")),
    ),
    ("purchase after opt-out", [mail("unsubscribe"), BUYING], "email", {}, ("consent", "fail", "withdrawn")),
    (
        *("click and open after opt-out", [mail("unsubscribe"), mail("open", 20), mail("click", 30)], "email", {}),
        ("consent", "fail", "withdrawn"),
    ),
    (
        "complaint, then a click",
        [mail("spamreport"), mail("click", 30)],
        "email",
        {},
        ("suppression", "fail", "complaint"),
    ),
]


@pytest.mark.parametrize(
    ("what", "received", "channel", "fields", "last"), ROWS, ids=[f"{r[0]}-{r[2]}-{r[3]}" for r in ROWS]
)
def test_received_messages_affect_the_next_decision(
    live: Live,
    what: str,
    received: list[Request | dict[str, Any]],
    channel: str,
    fields: dict[str, Any],
    last: tuple[str, str, str],
) -> None:
    for message in received:
        live.receive(message)
    decision = live.decide(channel, **fields)
    reason = decision["reasons"][-1]
    assert (reason["gate"], reason["verdict"], reason["code"]) == last, decision["reasons"]
    assert decision["allowed"] is (last[1] == "pass")


def test_a_click_raises_the_score_of_its_channel(live: Live) -> None:
    before = live.decide("email")["scores"]["email"]["mean"]
    for message in (mail("delivered"), mail("click", sg_message_id="m0")):
        live.receive(message)
    assert live.decide("email")["scores"]["email"]["mean"] > before


def test_a_sent_message_counts_against_the_cap_of_its_channel(live: Live) -> None:
    for number in range(2):
        live.receive(mail("processed", number))
        live.receive(mail("delivered", number))
    decision = live.decide("email")
    assert decision["reasons"][-1]["code"] == "put_off_by_email_per_day"
    assert decision["send_at"] == "2026-07-02T12:00:00Z"
