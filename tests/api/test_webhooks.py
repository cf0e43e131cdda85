"""Webhooks over HTTP: responses to providers, and the stored payloads."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.webhooks.routes import MAX_BYTES
from cdp.consent import contact_point_id
from cdp.consent.ledger import suppressions_of
from cdp.live.debugging import last_payloads
from cdp.live.inbox import unlanded
from cdp.settings import Settings, WebhookSecrets
from cdp.store import open_store
from cdp.webhooks import Request
from tests import webhook_senders as senders
from tests.api.service import NOW, Clock, assert_problem
from tests.webhook_senders import PUBLIC_URL, SECRETS, SENDERS, Amazon

SECONDS = int(NOW.timestamp())
EVENTS: dict[str, Any] = {
    "sendgrid": [{"email": "ann@example.com", "event": "click", "sg_event_id": "e1", "timestamp": SECONDS}],
    "twilio": {"MessageSid": "SM1", "From": "+14155550100", "To": "+14155550199", "Body": "Hello"},
    "mailgun": {"event": "opened", "id": "e1", "recipient": "ann@example.com", "timestamp": SECONDS + 0.5},
    "postmark": {"RecordType": "Delivery", "Recipient": "ann@example.com", "DeliveredAt": "2026-07-01T12:00:00Z"},
    "ses": {
        "eventType": "Send",
        "mail": {"messageId": "m1", "timestamp": "2026-07-01T12:00:00Z", "destination": ["ann@example.com"]},
    },
    "whatsapp": {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "changes": [
                    {
                        "field": "messages",
                        "value": {
                            "statuses": [
                                {
                                    **{"id": "w1", "status": "read", "timestamp": str(SECONDS)},
                                    "recipient_id": "14155550100",
                                }
                            ]
                        },
                    }
                ]
            }
        ],
    },
    "messenger": {
        "object": "page",
        "entry": [
            {
                "id": "682498302938465",
                "time": SECONDS * 1000,
                "messaging": [
                    {
                        **{"sender": {"id": "1254477777772919"}, "recipient": {"id": "682498302938465"}},
                        **{"timestamp": SECONDS * 1000, "message": {"mid": "m_1", "text": "hello"}},
                    }
                ],
            }
        ],
    },
    "telegram": {
        "update_id": 10000,
        "message": {
            **{"message_id": 1365, "date": SECONDS, "text": "hello", "chat": {"id": 1111111, "type": "private"}},
            "from": {"id": 1111111, "is_bot": False, "first_name": "Ann"},
        },
    },
    "shopify": {"id": 1, "email": "ann@example.com", "orders_count": 0, "created_at": "2026-07-01T12:00:00Z"},
    "segment": {"type": "track", "event": "e", "userId": "u1", "messageId": "m1", "timestamp": "2026-07-01T12:00:00Z"},
}


@dataclass
class Hooks:
    """The API with the secrets of all providers, behind a proxy: its own URL differs from the public one."""

    home: Path
    store_url: str
    secrets: WebhookSecrets = field(default_factory=lambda: SECRETS)
    clock: Clock = field(default_factory=Clock)
    amazon: Amazon = field(default_factory=Amazon)

    def __post_init__(self) -> None:
        settings = Settings(
            home=self.home, store_url=self.store_url, public_url=f"{PUBLIC_URL}/", webhooks=self.secrets, threads=1
        )
        self.app = create_app(settings, clock=self.clock, fetch=self.amazon.fetch)
        self.http = TestClient(self.app, base_url="http://10.0.0.7:8000", raise_server_exceptions=False)
        self.store = open_store(self.store_url)

    def post(self, request: Request) -> httpx.Response:
        path = request.url.removeprefix(PUBLIC_URL)
        return self.http.post(path, content=request.body, headers=dict(request.headers))

    def stored(self) -> list[tuple[str, Any]]:
        """(source, payload) of each item in the inbox."""
        with self.store.read() as connection:
            return [
                (batch.source, json.loads(payload))
                for batch in unlanded(connection)
                for payload in batch.rows["payload"]
            ]

    def close(self) -> None:
        self.http.close()
        self.store.close()
        self.app.state.context.store.close()


@pytest.fixture
def hooks(store_url: str, tmp_path: Path) -> Iterator[Hooks]:
    made = Hooks(tmp_path / "home", store_url)
    yield made
    made.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Hooks]:
    made = Hooks(tmp_path / "home", f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield made
    made.close()


@pytest.mark.parametrize("source", sorted(SENDERS.keys() - {"twilio", "mailgun"}))
def test_a_signed_request_is_stored_once(hooks: Hooks, source: str) -> None:
    for counts in ({"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}):
        response = hooks.post(SENDERS[source](EVENTS[source], hooks.clock()))
        assert (response.status_code, response.json()) == (200, {**counts, "rejected": 0}), response.text
        hooks.clock.advance(seconds=60)
        [(stored_source, _)] = hooks.stored()
        assert stored_source == source


@pytest.mark.parametrize("source", SENDERS)
def test_unsigned_requests_are_refused_and_not_stored(embedded: Hooks, source: str) -> None:
    request = SENDERS[source](EVENTS[source], NOW)
    names = request.headers.keys() - {"content-type"}
    unsigned = replace(request, headers={"content-type": request.headers["content-type"]})
    if not names:
        unsigned = replace(request, body=request.body.replace(b'ignature": "', b'ignature": "A'))
    response = embedded.post(unsigned)
    assert_problem(response, 401, "webhook_refused")
    assert response.headers["www-authenticate"].endswith('realm="cdp"')
    assert embedded.stored() == []


def test_only_postmark_gets_a_basic_challenge(embedded: Hooks) -> None:
    schemes = {source: embedded.http.post(f"/webhooks/{source}").headers["www-authenticate"] for source in SENDERS}
    assert {source for source, scheme in schemes.items() if scheme.startswith("Basic")} == {"postmark"}


@pytest.mark.parametrize("source", ["nobody", "contacts", "events", "Sendgrid", "send%00grid"])
def test_an_unknown_source_is_not_found(embedded: Hooks, source: str) -> None:
    assert_problem(embedded.http.post(f"/webhooks/{source}", content=b"[]"), 404, "not_found")
    assert_problem(embedded.http.get(f"/webhooks/{source}"), 404, "not_found")


@pytest.mark.parametrize("source", SENDERS)
def test_without_a_secret_nothing_is_accepted(tmp_path: Path, source: str) -> None:
    hooks = Hooks(tmp_path / "home", f"sqlite:///{tmp_path / 'store.sqlite'}", {})
    response = hooks.post(SENDERS[source](EVENTS[source], NOW))
    assert_problem(response, 503, "webhook_not_configured")
    assert f"CDP_WEBHOOKS__{source.upper()}__" in response.json()["message"]
    assert int(response.headers["retry-after"]) > 0
    assert hooks.stored() == []
    hooks.close()


def test_an_oversized_body_is_refused(embedded: Hooks) -> None:
    response = embedded.http.post("/webhooks/sendgrid", content=b"x" * (MAX_BYTES + 1))
    assert_problem(response, 413, "payload_too_large")


@pytest.mark.parametrize("source", ["sendgrid", "segment"])
def test_more_records_than_any_provider_sends_are_refused_at_once(embedded: Hooks, source: str) -> None:
    zeros = [0] * 50_001
    response = embedded.post(SENDERS[source]({"batch": zeros} if source == "segment" else zeros, NOW))
    assert_problem(response, 413, "payload_too_large")
    assert embedded.stored() == []


def test_an_item_that_cannot_be_mapped_does_not_affect_the_others(embedded: Hooks) -> None:
    events = [{**EVENTS["sendgrid"][0], "sg_event_id": "e2", "email": None}, *EVENTS["sendgrid"]]
    response = embedded.post(senders.sendgrid(events, NOW))
    assert (response.status_code, response.json()) == (200, {"accepted": 2, "duplicates": 0, "rejected": 1})


def test_a_record_that_is_not_json_does_not_affect_the_others(embedded: Hooks) -> None:
    event = {"email": "ann@example.com", "event": "delivered", "timestamp": int(NOW.timestamp())}
    records = [event | {"sg_event_id": f"e{number}", "sg_message_id": "m"} for number in range(3)]
    records[1]["attempt"] = float("nan")
    answer = embedded.post(senders.sendgrid(records, NOW)).json()
    assert answer == {"accepted": 3, "duplicates": 0, "rejected": 1}
    with embedded.store.read() as connection:
        assert connection.exec_driver_sql("select count(*) from live_engagement").scalar() == 2


@pytest.mark.parametrize("value", ["9" * 5_000, '"Z\udcfcrich"'], ids=["a long number", "Latin-1"])
def test_a_value_that_nobody_can_read_does_not_cost_the_other_records(embedded: Hooks, value: str) -> None:
    event = {"email": "ann@example.com", "event": "delivered", "timestamp": int(NOW.timestamp())}
    records = [event | {"sg_event_id": f"e{number}", "sg_message_id": "m"} for number in range(3)]
    records[1]["attempt"] = "here"
    body = json.dumps(records).replace('"here"', value).encode(errors="surrogateescape")
    answer = embedded.post(senders.signed_by_sendgrid(body, NOW))
    assert (answer.status_code, answer.json()) == (200, {"accepted": 3, "duplicates": 0, "rejected": 0})


def deep(payload: Any, levels: int) -> Any:
    """A copy of a payload, whose innermost record has lists this deep."""
    if isinstance(payload, list):
        return [deep(one, levels) for one in payload]
    inner = next((name for name in ("entry", "changes", "value", "statuses") if name in payload), None)
    if inner:
        return {**payload, inner: deep(payload[inner], levels)}
    value: list[Any] = []
    for _ in range(levels - 2):
        value = [value]
    name = f"{levels} levels"
    return {**payload, "sg_event_id": name, "messageId": name, "id": name, "nested": value}


def both(source: str, levels: int) -> Any:
    """A body that holds a record as it should be and one that is too deep."""
    event = EVENTS[source]
    if source == "segment":
        return {"batch": [event, deep(event, levels)]}
    if source == "whatsapp":
        return {**event, "entry": [*event["entry"], *deep(event["entry"], levels)]}
    return [*event, *deep(event, levels)] if isinstance(event, list) else [event, deep(event, levels)]


def signed(source: str, body: Any) -> Request:
    """A request that is deeper than this process could write, or read, otherwise."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        return SENDERS[source](body, NOW)
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("source", ["sendgrid", "segment", "whatsapp", "postmark", "shopify"])
def test_a_record_that_is_too_deep_is_rejected_alone(embedded: Hooks, source: str) -> None:
    for levels, counts in ((3_000, (2, 0, 1)), (3_000, (0, 2, 0)), (101, (1, 1, 1))):
        answer = embedded.post(signed(source, both(source, levels)))
        assert (answer.status_code, answer.json()) == (
            200,
            dict(zip(("accepted", "duplicates", "rejected"), counts, strict=True)),
        )
    with embedded.store.read() as connection:
        *rejected, accepted = last_payloads(connection, 10)
    assert (accepted.reason, accepted.detail) == (None, None)
    assert [(one.reason, one.detail) for one in rejected] == [("too_deep", "nested more than 100 levels deep")] * 2
    assert all(one.document(shows_values=True) for one in rejected)


def test_a_mailgun_token_is_valid_for_one_body(hooks: Hooks) -> None:
    assert hooks.post(senders.mailgun(EVENTS["mailgun"], NOW)).json()["accepted"] == 1
    # The body is not signed, so a stolen token could be used with any content.
    forged = senders.mailgun({**EVENTS["mailgun"], "id": "e2", "event": "unsubscribed"}, NOW)
    assert_problem(hooks.post(forged), 401, "webhook_refused")
    assert [payload["event-data"]["event"] for _, payload in hooks.stored()] == ["opened"]
    # Mailgun sends again, signature and all, what it got no answer to.
    repeated = hooks.post(senders.mailgun(EVENTS["mailgun"], NOW))
    assert (repeated.status_code, repeated.json()) == (200, {"accepted": 0, "duplicates": 1, "rejected": 0})
    assert hooks.post(senders.mailgun(EVENTS["mailgun"], NOW, token="another")).json()["accepted"] == 1


def test_whoever_signs_for_one_source_cannot_speak_for_another(embedded: Hooks) -> None:
    signed = senders.standard(EVENTS["segment"], NOW)
    assert embedded.post(signed).status_code == 200
    stolen = replace(signed, url=signed.url.replace("segment", "fcm"))
    assert_problem(embedded.post(stolen), 401, "webhook_refused")


# --- Twilio -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["Hello", "STOP", "START", "HELP"])
def test_the_response_to_a_text_is_empty_twiml(embedded: Hooks, words: str) -> None:
    response = embedded.post(senders.twilio({**EVENTS["twilio"], "Body": words}, NOW))
    assert (response.status_code, response.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert response.text == '<?xml version="1.0" encoding="UTF-8"?><Response/>'
    [(_, payload)] = embedded.stored()
    assert payload["Body"] == words


def test_the_response_to_a_status_callback_is_empty(embedded: Hooks) -> None:
    callback = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+14155550100", "From": "+14155550199"}
    for status in ("sent", "delivered", "delivered"):
        response = embedded.post(senders.twilio({**callback, "MessageStatus": status}, NOW))
        assert (response.status_code, response.content) == (204, b"")
    assert [payload["MessageStatus"] for _, payload in embedded.stored()] == ["sent", "delivered"]


def test_twilio_signs_the_query_too(embedded: Hooks) -> None:
    request = senders.twilio(EVENTS["twilio"], NOW)
    assert_problem(embedded.post(replace(request, url=f"{request.url}?account=2")), 401, "webhook_refused")


def suppressed(hooks: Hooks, kind: str, value: str) -> set[str]:
    """The reasons for active suppressions of an address."""
    with hooks.store.read() as connection:
        found = suppressions_of(connection, [contact_point_id(kind, value)])
    return {suppression.reason for suppression in found if suppression.is_active(hooks.clock())}


def test_stop_takes_effect_at_once_and_start_lifts_it(hooks: Hooks) -> None:
    for number, (words, reasons) in enumerate([("STOP", {"stop"}), ("Hello?", {"stop"}), ("START", set())]):
        text = {**EVENTS["twilio"], "MessageSid": f"SM{number}", "Body": words}
        assert hooks.post(senders.twilio(text, hooks.clock())).status_code == 200
        assert suppressed(hooks, "phone", "+14155550100") == reasons
        hooks.clock.advance(minutes=1)


def test_a_complaint_with_several_recipients_suppresses_nobody(embedded: Hooks) -> None:
    people = [{"emailAddress": f"{name}@example.com"} for name in ("ann", "bob")]
    for listed, reasons in ((people, set()), (people[:1], {"complaint"})):
        complaint = {"timestamp": "2026-07-01T11:00:00Z", "feedbackId": "f1", "complainedRecipients": listed}
        event = {**EVENTS["ses"], "eventType": "Complaint", "complaint": complaint}
        embedded.post(senders.ses(event, NOW, MessageId=f"n{len(listed)}"))
        assert suppressed(embedded, "email", "ann@example.com") == reasons
        assert suppressed(embedded, "email", "bob@example.com") == set()


# --- Meta, Amazon -------------------------------------------------------------------------------------------


def test_metas_challenge_is_echoed(embedded: Hooks) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "verify me", "hub.challenge": "1158201444"}
    response = embedded.http.get("/webhooks/whatsapp", params=query)
    assert (response.status_code, response.text) == (200, "1158201444")
    assert response.headers["content-type"].startswith("text/plain")
    wrong = embedded.http.get("/webhooks/whatsapp", params={**query, "hub.verify_token": "me"})
    assert_problem(wrong, 401, "webhook_refused")
    assert_problem(embedded.http.get("/webhooks/sendgrid", params=query), 404, "not_found")


def test_a_subscription_is_confirmed_and_not_stored(embedded: Hooks) -> None:
    response = embedded.post(senders.ses_confirmation(NOW))
    assert (response.status_code, response.json()) == (200, {"accepted": 0, "duplicates": 0, "rejected": 0})
    assert embedded.amazon.asked == [senders.CERTIFICATE_URL, senders.CONFIRM_URL]
    assert embedded.stored() == []


def test_amazon_is_told_to_retry_if_verification_is_unavailable(embedded: Hooks) -> None:
    embedded.amazon.is_down = True
    for request in (senders.ses(EVENTS["ses"], NOW), senders.ses_confirmation(NOW)):
        response = embedded.post(request)
        assert_problem(response, 503, "unavailable")
        assert int(response.headers["retry-after"]) > 0
    assert embedded.stored() == []
    embedded.amazon.is_down = False
    assert embedded.post(senders.ses(EVENTS["ses"], NOW)).json()["accepted"] == 1


# --- odd payloads -------------------------------------------------------------------------------------------

ODD: list[Any] = [
    *({}, [], "text", 7, None, [[]], [None, 7]),
    {"sg_event_id": "\0", "email": "a\0@example.com", "event": "open", "timestamp": SECONDS},
    {"email": "\ud800@example.com", "event": "open", "timestamp": SECONDS},
    {"RecordType": "Open", "Recipient": "x" * 5_000 + "@example.com", "ReceivedAt": "2026-07-01"},
    {"messageId": "m" * 5_000, "type": "track", "userId": "u", "event": "e"},
    {
        "object": 1,
        "entry": [{"changes": [{"value": {"statuses": [{"id": 5, "status": ["x"]}], "messages": ["x"]}}, 7]}],
    },
    {
        "eventType": "Send",
        "mail": {"messageId": "m", "destination": ["a@example.com"] * 1_000, "timestamp": "2026-07-01"},
    },
]


@pytest.mark.parametrize("source", sorted(SENDERS.keys() - {"twilio"}))
@pytest.mark.slow
@pytest.mark.backends("sqlite")
def test_no_signed_payload_causes_a_defect(hooks: Hooks, source: str) -> None:
    for number, payload in enumerate(ODD):
        more = {"mailgun": {"token": f"t{number}"}, "ses": {"MessageId": f"n{number}"}}.get(source, {})
        response = hooks.post(SENDERS[source](payload, NOW, **more))  # type: ignore[call-arg]
        assert response.status_code == 200, response.text


# --- confidentiality ----------------------------------------------------------------------------------------


def test_the_log_contains_no_personal_data_and_no_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hooks = Hooks(tmp_path / "home", f"sqlite:///{tmp_path / 'store.sqlite'}")
    capsys.readouterr()
    for source, send in SENDERS.items():
        request = send(EVENTS[source], NOW)
        hooks.post(request)
        hooks.post(replace(request, headers={"content-type": request.headers["content-type"]}))
        hooks.post(replace(request, body=request.body[:-2]))
    hooks.http.get("/webhooks/whatsapp", params={"hub.mode": "subscribe", "hub.verify_token": "verify me"})
    hooks.close()
    written = capsys.readouterr().err
    assert {json.loads(line)["route"] for line in written.splitlines()} == {"/webhooks/{source}"}
    password = base64.b64encode(b"user:pass:word").decode()
    for hidden in ("ann@", "5550100", "verify me", "12345", password, "signature"):
        assert hidden not in written


def test_a_call_without_an_id_is_new_in_each_delivery(hooks: Hooks) -> None:
    call = {"type": "track", "userId": "u1", "event": "Opened the Shop"}
    for message_id, accepted in (("msg_1", 1), ("msg_1", 0), ("msg_2", 1)):
        signed = senders.standard(call, NOW, message_id=message_id)
        answer = hooks.http.post("/webhooks/segment", content=signed.body, headers=dict(signed.headers))
        assert answer.json() == {"accepted": accepted, "duplicates": 1 - accepted, "rejected": 0}
