"""Mailgun: the mapping of its events, and the authentication of its requests."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdp.webhooks import Refused, Request
from cdp.webhooks.payloads import form_fields
from tests import webhook_senders as senders
from tests.cdp.mapping import APPLE, PERSON, WITHDRAWN, Item, Row, at, mapped, seen, suppressed
from tests.cdp.verifying import NOW, PAYLOADS, as_request, opened, outcome, recorded

MAILGUN = {
    **{"event": "delivered", "id": "e1", "timestamp": 1534108637.153125, "recipient": "ann@example.com"},
    "message": {"headers": {"message-id": "20180812.1@example.org", "to": "Ann <ann@example.com>"}},
}


def failed(severity: str, reason: str, **more: Any) -> Item:
    return {"event": "failed", "severity": severity, "reason": reason, **more}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {"event_type": "delivered", "event_key": "e1", "email": "ann@example.com", "is_verified": True}),
        ({}, {"occurred_at": at("2018-08-12T21:17:17.153125Z"), "message_ref": "20180812.1@example.org"}),
        ({"event": "accepted"}, {"event_type": "queued", "is_verified": False}),
        ({"event": "rejected", "recipient": None}, {"event_type": "rejected", "email": "ann@example.com"}),
        (failed("temporary", "greylisted"), {"event_type": "deferred"}),
        (failed("permanent", "bounce"), {"event_type": "bounced"}),
        (failed("permanent", "suppress-bounce"), {"event_type": "rejected"}),
        ({"event": "opened", "client-info": {"bot": "", "user-agent": PERSON}}, {"is_machine": False}),
        *(({"event": event, "client-info": {"bot": "apple"}}, {"is_machine": True}) for event in ("opened", "clicked")),
        ({"event": "opened", "client-info": {"client-type": "robot"}}, {"is_machine": True}),
        ({"event": "delivered", "client-info": {"bot": "generic"}}, {"is_machine": False}),
        ({"event": "unsubscribed"}, {"event_type": "unsubscribed", **WITHDRAWN}),
        ({"event": "complained"}, {"event_type": "complained", **WITHDRAWN}),
        ({"event": "opened"}, {"consent_channel": None}),
        ({"tags": ["spring", "sale"]}, {"campaign_ref": "spring"}),
        ({"tags": ["spring"], "user-variables": {"campaign_id": 9}}, {"campaign_ref": "9"}),
        ({"tags": [], "user-variables": [], "campaigns": []}, {"campaign_ref": None}),
        ({"event": "stored"}, {"refused": "unknown_event", "refused_detail": "event"}),
        ({"recipient": " ", "message": {}}, {"refused": "no_identifier", "refused_detail": "recipient"}),
        (
            {"recipient": None, "message": {"headers": {"to": "a@example.com, b@example.com"}}},
            {"refused": "no_identifier"},
        ),
        ({"timestamp": "soon"}, {"refused": "bad_time", "refused_detail": "timestamp"}),
    ],
)
def test_mailgun(payload: Item, expected: Row) -> None:
    for item in ({**MAILGUN, **payload}, {"signature": {"token": "t"}, "event-data": {**MAILGUN, **payload}}):
        [row] = mapped("mailgun", item)
        assert seen(row, expected) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event": "bounced", "code": "550"}, {"event_type": "bounced", "message_ref": "1@example.com"}),
        ({"event": "dropped", "reason": "hardfail", "code": "607"}, {"event_type": "rejected"}),
        ({"event": "opened", "tag": "spring", "user-agent": APPLE}, {"is_machine": True, "campaign_ref": "spring"}),
    ],
)
def test_mailguns_legacy_forms(fields: Item, expected: Row) -> None:
    form = {"recipient": "ann@example.com", "timestamp": "1534108637", "Message-Id": "<1@example.com>", **fields}
    [row] = mapped("mailgun", form)
    assert seen(row, expected) == expected


@pytest.mark.parametrize(
    ("payload", "reasons"),
    [
        ({**MAILGUN, **failed("permanent", "bounce")}, ["hard_bounce"]),
        ({**MAILGUN, **failed("permanent", "suppress-bounce")}, ["hard_bounce"]),
        ({**MAILGUN, **failed("permanent", "suppress-unsubscribe")}, []),
        ({**MAILGUN, **failed("permanent", "old")}, []),
        ({**MAILGUN, **failed("temporary", "greylisted")}, []),
        ({**MAILGUN, "event": "complained"}, ["complaint"]),
    ],
)
def test_lasting_failures_suppress_the_address(payload: Item, reasons: list[str]) -> None:
    assert suppressed("mailgun", payload) == reasons


# --- requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("timestamp", "1782907201"), ("token", "another"), ("token", "\ud800")])
def test_mailguns_time_and_token_are_signed(name: str, value: str) -> None:
    request = senders.mailgun(PAYLOADS["mailgun"], NOW)
    body = json.loads(request.body)
    body["signature"][name] = value
    with pytest.raises(Refused):
        opened("mailgun", replace(request, body=json.dumps(body).encode()))


def test_recorded_requests_of_mailgun() -> None:
    outcomes = {}
    for found in recorded("mailgun"):
        request = as_request(found)
        secrets = {"signing_key": found["settings"]["ANYMAIL_MAILGUN_WEBHOOK_SIGNING_KEY"]}
        at = _time_in(request)
        outcomes[outcome("mailgun", request, secrets, at)] = found["accepted"]
        assert outcome("mailgun", request, secrets, at + timedelta(days=1)) != "1 items"
    assert outcomes.keys() == {"1 items", "the signature does not match", "timestamp, token or signature is missing"}
    assert not outcomes["the signature does not match"]


def _time_in(request: Request) -> datetime:
    if b"signature" not in request.body:
        return NOW
    is_form = "form" in request.headers["content-type"]
    found = dict(form_fields(request)) if is_form else json.loads(request.body)["signature"]
    return datetime.fromtimestamp(int(found["timestamp"]), UTC)
