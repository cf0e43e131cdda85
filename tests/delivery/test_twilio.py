from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from cdp.delivery import Accepted, Refused, Retry
from cdp.providers.twilio.send import SENDER
from cdp.webhooks import Refused as NotAuthentic
from cdp.webhooks import Request
from tests import webhook_senders as senders
from tests.cdp.mapping import mapped
from tests.cdp.verifying import opened
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Fault, Providers, Reply
from tests.delivery.fakes.twilio import ACCOUNT_SID, AUTH_TOKEN, LANDLINE, STOPPED
from tests.delivery.messages import MESSAGE_ID, SMS

TEXT = replace(SMS, callback_url="https://cdp.example.com/webhooks/twilio")
CASE = Case("twilio", SENDER, {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "sender_id": "+41440000001"}, TEXT)
CALLED_BACK = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+41790000001", "From": "+41440000001"}


def test_it_keeps_the_contract_of_senders(providers: Providers) -> None:
    check(CASE, providers)


def test_the_text_is_what_was_rendered_and_its_id_is_in_the_callback(providers: Providers) -> None:
    assert sent(CASE, providers) == Accepted(f"SM-{MESSAGE_ID}")
    form = providers.taken[0].content
    assert (form["Body"], form["From"]) == ("Grüezi, Ann: your order is on its way", "+41440000001")
    assert form["StatusCallback"] == f"https://cdp.example.com/webhooks/twilio?message_id={MESSAGE_ID}"


def test_a_messaging_service_chooses_the_sender(providers: Providers) -> None:
    service = f"MG{'0' * 32}"
    assert isinstance(sent(CASE, providers, sender_id=service), Accepted)
    form = providers.taken[0].content
    assert form["MessagingServiceSid"] == service and "From" not in form


@pytest.mark.parametrize(("minutes", "seconds"), [(-1, 1), (60, 3_600), (60 * 24, 36_000)])
def test_a_message_waits_no_longer_than_it_is_of_use(minutes: int, seconds: int) -> None:
    settings = {**CASE.settings, "base_url": "https://twilio.example.com"}
    request = SENDER.request(TEXT, settings, TEXT.expires_at - timedelta(minutes=minutes))
    assert f"ValidityPeriod={seconds}" in request.content.decode().split("&")


@pytest.mark.parametrize(("address", "code"), [("nobody", 21211), (STOPPED, 21610), (LANDLINE, 21614)])
def test_a_number_that_cannot_be_texted_is_refused(providers: Providers, address: str, code: int) -> None:
    refused = sent(replace(CASE, message=replace(TEXT, address=address)), providers)
    assert refused == Refused(f"http_400_{code}", is_address_gone=False)


def test_what_is_wrong_with_the_account_is_the_providers_trouble(providers: Providers) -> None:
    assert sent(CASE, providers, auth_token="wrong") == Retry("http_401_20003")
    assert sent(CASE, providers, sender_id="Alpine") == Retry("http_400_21659")
    busy = Fault("reply", Reply(429, {"code": 20429, "message": "Too Many Requests", "status": 429}))
    assert sent(CASE, providers, busy) == Retry("http_429_20429")


# --- status callbacks ----------------------------------------------------------------------------------------


def called_back(url: str, fields: Mapping[str, str] = CALLED_BACK) -> Request:
    text = url + "".join(f"{name}{value}" for name, value in sorted(fields.items()))
    signature = base64.b64encode(hmac.digest(b"12345", text.encode(), "sha1")).decode()
    headers = {"content-type": senders.FORM, "x-twilio-signature": signature}
    return Request(urlencode(fields).encode(), headers, url)


def test_a_callback_has_our_id_of_the_message(providers: Providers) -> None:
    sent(CASE, providers)
    [(_, payload)] = opened("twilio", called_back(providers.taken[0].content["StatusCallback"]))
    [row] = mapped("twilio", payload)
    assert (row["message_id"], row["message_ref"], row["event_type"]) == (MESSAGE_ID, "SM1", "delivered")


def test_the_id_in_the_url_is_signed() -> None:
    request = called_back(f"{TEXT.callback_url}?message_id={MESSAGE_ID}")
    for url in (TEXT.callback_url, f"{request.url}0", f"{request.url}&message_id=msg_other"):
        with pytest.raises(NotAuthentic):
            opened("twilio", replace(request, url=url))


def test_what_is_signed_alike_is_one_delivery_whatever_its_id() -> None:
    """The first name and its value can be read as part of the URL: the signature is that of the concatenation."""
    request = called_back(f"{TEXT.callback_url}?message_id={MESSAGE_ID}")
    fields = {name: value for name, value in CALLED_BACK.items() if name != "From"}
    moved = replace(request, body=urlencode(fields).encode(), url=f"{request.url}From{CALLED_BACK['From']}")
    [[(first, _)], [(again, _)]] = (opened("twilio", one) for one in (request, moved))
    assert first == again


def test_an_inbound_text_and_a_callback_without_an_id_have_none() -> None:
    [(_, payload)] = opened("twilio", called_back(TEXT.callback_url))
    [row] = mapped("twilio", payload)
    assert payload == CALLED_BACK and row["message_id"] is None
