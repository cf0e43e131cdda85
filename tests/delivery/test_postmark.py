from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from cdp.delivery import Accepted, InDoubt, Outcome, Refused, Retry
from cdp.providers.postmark.send import SENDER, outcome
from tests.cdp.mapping import mapped
from tests.cdp.providers.test_postmark import POSTMARK
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Providers
from tests.delivery.fakes.postmark import INACTIVE, TOKEN
from tests.delivery.messages import HEADERS, MAIL, MESSAGE_ID

CASE = Case("postmark", SENDER, {"server_token": TOKEN, "from_address": "news@example.com"}, MAIL)


def to(address: str) -> Case:
    return replace(CASE, message=replace(MAIL, address=address))


def test_it_keeps_the_contract_of_senders(providers: Providers) -> None:
    check(CASE, providers)


def test_the_mail_is_what_was_rendered(providers: Providers) -> None:
    assert sent(CASE, providers, message_stream="news") == Accepted(f"pm-{MESSAGE_ID}")
    assert providers.taken[0].content == {
        "From": "Alpine Outfitters <news@example.com>",
        "To": "ann@example.com",
        "Subject": "Grüezi, Ann",
        "TextBody": "Hello Ann",
        "HtmlBody": "<p>Hello Ann</p>",
        "Headers": [{"Name": name, "Value": value} for name, value in HEADERS.items()],
        "Metadata": {"message_id": MESSAGE_ID},
        "MessageStream": "news",
    }


def test_an_inactive_recipient_is_gone(providers: Providers) -> None:
    assert sent(to(INACTIVE), providers) == Refused("http_422_406", is_address_gone=True)


def test_an_invalid_address_is_refused(providers: Providers) -> None:
    assert sent(to("ann"), providers) == Refused("http_422_300")


@pytest.mark.parametrize(
    ("setting", "value", "error"),
    [
        ("server_token", "wrong", "http_401"),
        ("from_address", "news@example.org", "http_422_400"),
        ("message_stream", "unknown", "http_422_1235"),
    ],
)
def test_a_wrong_setting_is_the_providers_trouble(providers: Providers, setting: str, value: str, error: str) -> None:
    assert sent(CASE, providers, **{setting: value}) == Retry(error)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        # Out of credits, pending, and not allowed to send.
        *((httpx.Response(422, json={"ErrorCode": code}), Retry(f"http_422_{code}")) for code in (405, 412, 413)),
        (httpx.Response(422, text="no JSON"), Refused("http_422")),
        (httpx.Response(200, text="no JSON"), InDoubt("unreadable_answer")),
        (httpx.Response(200, json={"ErrorCode": 0}), Accepted(None)),
    ],
)
def test_other_answers(response: httpx.Response, expected: Outcome) -> None:
    assert outcome(response) == expected


@pytest.mark.parametrize("kind", POSTMARK)
def test_webhooks_carry_our_id(kind: str) -> None:
    [row] = mapped("postmark", {"RecordType": kind, **POSTMARK[kind], "Metadata": {"message_id": MESSAGE_ID}})
    assert row["message_id"] == MESSAGE_ID
