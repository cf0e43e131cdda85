from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from cdp.delivery import Accepted, Refused, Retry
from cdp.providers.vonage.send import SENDER
from cdp.providers.vonage.webhook import WEBHOOK, verify
from cdp.webhooks import Refused as NotAuthentic
from cdp.webhooks import Request, WrongTime
from tests.cdp.mapping import Item, Row, at, mapped, properties, seen, suppressed
from tests.cdp.verifying import NOW, opened, verifier
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Fault, Providers, Reply
from tests.delivery.fakes.vonage import KEY, NO_CREDIT, SECRET
from tests.delivery.messages import MESSAGE_ID, SMS
from tests.webhook_senders import secrets_of

TEXT = replace(SMS, callback_url="https://cdp.example.com/webhooks/vonage")
CASE = Case("vonage", SENDER, {"api_key": KEY, "api_secret": SECRET, "sender_id": "+41440000001"}, TEXT)


def test_it_keeps_the_contract_of_senders(providers: Providers) -> None:
    check(CASE, providers)


def test_the_text_is_what_was_rendered(providers: Providers) -> None:
    assert sent(CASE, providers) == Accepted(f"uuid-of-{MESSAGE_ID}")
    message = providers.taken[0].content
    assert (message["text"], message["from"]) == ("Grüezi, Ann: your order is on its way", "41440000001")
    assert (message["client_ref"], message["webhook_url"]) == (MESSAGE_ID, TEXT.callback_url)


@pytest.mark.parametrize(("minutes", "ttl"), [(-1, 300), (60, 3_600), (60 * 24 * 30, 259_200)])
def test_a_message_is_tried_no_longer_than_it_is_of_use(minutes: int, ttl: int) -> None:
    settings = {**CASE.settings, "base_url": "https://vonage.example.com"}
    request = SENDER.request(TEXT, settings, TEXT.expires_at - timedelta(minutes=minutes))
    assert json.loads(request.content)["ttl"] == ttl


def test_a_number_that_is_none_is_refused(providers: Providers) -> None:
    refused = sent(replace(CASE, message=replace(TEXT, address="nobody")), providers)
    assert refused == Refused("http_422_1170", is_address_gone=False)


def test_what_is_wrong_with_the_account_is_the_providers_trouble(providers: Providers) -> None:
    assert sent(CASE, providers, api_secret="wrong") == Retry("http_401")
    assert sent(CASE, providers, sender_id="Alpine Outfitters") == Retry("http_422_1120")
    assert sent(replace(CASE, message=replace(TEXT, address=NO_CREDIT)), providers) == Retry("http_402")


@pytest.mark.parametrize("kind", ["https://example.com/#ann@example.com", "+41790000001", 7, None])
def test_an_error_that_is_no_number_is_not_passed_on(providers: Providers, kind: Any) -> None:
    assert sent(CASE, providers, Fault("reply", Reply(422, {"type": kind, "title": "x"}))) == Refused("http_422")


# --- webhooks: the mapping -----------------------------------------------------------------------------------

STATUS = {
    **{"message_uuid": "u1", "to": "41790000001", "from": "41440000001", "timestamp": "2026-06-01T10:00:00.000Z"},
    **{"status": "delivered", "channel": "sms", "client_ref": MESSAGE_ID, "sms": {"count_total": "2"}},
}
INBOUND = {
    **{"message_uuid": "u2", "to": "41440000001", "from": "41790000001", "timestamp": "2026-06-01T10:05:00Z"},
    **{"channel": "sms", "message_type": "text", "text": "Hello", "sms": {"num_messages": "1", "keyword": "HELLO"}},
}


def failed(status: str, code: int) -> Item:
    error = {"type": f"https://developer.nexmo.com/api-errors/messages-olympus#{code}", "title": code, "detail": "…"}
    return {**STATUS, "status": status, "error": error}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (STATUS, {"event_type": "delivered", "phone": "+41790000001", "channel": "sms", "is_verified": True}),
        (STATUS, {"message_id": MESSAGE_ID, "message_ref": "u1", "campaign_ref": None, "event_key": "u1:delivered"}),
        (STATUS, {"occurred_at": at("2026-06-01T10:00:00Z"), "consent_channel": None}),
        ({**STATUS, "client_ref": "spring"}, {"message_id": None, "campaign_ref": "spring"}),
        ({**STATUS, "status": "submitted"}, {"event_type": "sent", "is_verified": False}),
        (failed("rejected", 1360), {"event_type": "rejected", "event_name": "rejected"}),
        (failed("undeliverable", 1260), {"event_type": "failed", "refused": None}),
        (INBOUND, {"event_type": "replied", "phone": "+41790000001", "event_key": "u2:received", "message_id": None}),
        *(
            ({**INBOUND, "text": word}, {"event_type": "unsubscribed", "consent_state": "withdrawn"})
            for word in ("STOP", " stop ", "Unsubscribe", "optout")
        ),
        ({**INBOUND, "text": "stop"}, {"consent_channel": "sms", "consent_method": "keyword"}),
        ({**INBOUND, "text": "start"}, {"event_type": "resubscribed", "consent_state": "granted"}),
        ({**INBOUND, "text": "stop it please"}, {"event_type": "replied", "consent_channel": None}),
        ({**STATUS, "text": "STOP"}, {"event_type": "delivered", "consent_channel": None}),
        ({**STATUS, "status": "sung"}, {"refused": "unknown_event", "refused_detail": "status"}),
        ({**STATUS, "channel": "mms"}, {"refused": "unsupported", "refused_detail": "channel"}),
        ({**STATUS, "to": "12345"}, {"refused": "no_identifier", "refused_detail": "to", "phone": None}),
        ({**INBOUND, "from": "Brand"}, {"refused": "no_identifier", "refused_detail": "from", "phone": None}),
        ({**STATUS, "timestamp": "soon"}, {"refused": "bad_time", "refused_detail": "timestamp"}),
    ],
)
def test_vonage(payload: Item, expected: Row) -> None:
    [row] = mapped("vonage", payload)
    assert seen(row, expected) == expected


def test_properties_have_no_text() -> None:
    rejected, inbound = mapped("vonage", failed("rejected", 1170), INBOUND)
    assert properties(rejected) == {"direction": "outbound", "error_code": "1170", "segments": "2"}
    assert properties(inbound) == {"direction": "inbound", "error_code": None, "segments": "1"}


@pytest.mark.parametrize(("code", "reasons"), [(1170, ["hard_bounce"]), (1240, ["stop"]), (1180, [])])
def test_lasting_failures_suppress_the_number(code: int, reasons: list[str]) -> None:
    assert suppressed("vonage", failed("rejected", code)) == reasons


# --- webhooks: the authentication ----------------------------------------------------------------------------

SIGNATURE_SECRET = "signature secret of 32 characters"
CHECKER = verifier(secrets_of({"vonage": {"signature_secret": SIGNATURE_SECRET}}))


def signed(payload: Any, now: datetime = NOW, *, secret: str = SIGNATURE_SECRET, **changed: Any) -> Request:
    body = json.dumps(payload, separators=(",", ":")).encode()
    claims = {
        **{"iss": "Vonage", "iat": int(now.timestamp()), "jti": "j1", "api_key": "a1"},
        **{"payload_hash": hashlib.sha256(body).hexdigest(), **changed},
    }
    token = jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, OctKey.import_key(secret), algorithms=["HS256"])
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    return Request(body, headers, "https://cdp.example.com/webhooks/vonage")


def test_a_signed_status_has_our_id_of_the_message() -> None:
    [(first, payload)] = opened("vonage", signed(STATUS), checker=CHECKER)
    [row] = mapped("vonage", payload)
    assert row["message_id"] == MESSAGE_ID
    [(again, _)] = opened("vonage", signed(STATUS, NOW - timedelta(minutes=1)), checker=CHECKER)
    assert first == again


@pytest.mark.parametrize(
    "request_",
    [
        signed(STATUS, secret="another secret, long enough"),
        signed(STATUS, payload_hash=hashlib.sha256(b"another").hexdigest()),
        signed(STATUS, payload_hash=None),
        signed(STATUS, iat=None),
        signed(STATUS, iat="soon"),
        replace(signed(STATUS), body=b"{}"),
        *(
            replace(signed(STATUS), headers={"authorization": value})
            for value in ("", "Bearer", "Bearer ", "Bearer a.b.c", "Bearer é", "Bearer \ud800", "Basic dTpw")
        ),
        *(
            replace(one, headers={"authorization": change(one.headers["authorization"])})
            for one in (signed(STATUS),)
            for change in (
                lambda value: value[:-4],
                lambda value: f"{value}é",
                lambda value: value.replace("Bearer", "Basic"),
                # {"alg":"none","typ":"JWT"} and no signature.
                lambda value: f"Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{value.split('.')[1]}.",
            )
        ),
    ],
)
def test_what_is_not_signed_is_refused(request_: Request) -> None:
    with pytest.raises(NotAuthentic):
        verify(request_, {"signature_secret": SIGNATURE_SECRET}, NOW)


def test_a_request_is_valid_while_vonage_retries() -> None:
    for age in (timedelta(minutes=-5), timedelta(hours=24, minutes=5)):
        verify(signed(STATUS, NOW - age), {"signature_secret": SIGNATURE_SECRET}, NOW)
        with pytest.raises(WrongTime):
            beyond = age + timedelta(seconds=1 if age > timedelta(0) else -1)
            verify(signed(STATUS, NOW - beyond), {"signature_secret": SIGNATURE_SECRET}, NOW)


def test_it_says_which_credentials_it_takes() -> None:
    assert WEBHOOK.auth_scheme == "Bearer"
