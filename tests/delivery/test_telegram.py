from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from cdp.delivery import Accepted, InDoubt, Outcome, Refused, Retry
from cdp.providers.telegram.send import SENDER
from tests.cdp.mapping import mapped
from tests.cdp.providers.test_telegram import BOT, message
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Fault, Providers, Reply
from tests.delivery.fakes.telegram import (
    BLOCKED,
    DEACTIVATED,
    MESSAGE_NUMBER,
    NOT_STARTED,
    TOKEN,
    UNKNOWN,
    error,
)
from tests.delivery.messages import SMS

CHAT = replace(SMS, channel="telegram", address="1111111", callback_url="https://cdp.example.com/webhooks/telegram")
CASE = Case("telegram", SENDER, {"token": TOKEN}, CHAT, has_our_id=False)


def test_it_keeps_the_contract_of_senders(providers: Providers) -> None:
    check(CASE, providers)


def test_the_text_is_what_was_rendered(providers: Providers) -> None:
    assert isinstance(sent(CASE, providers), Accepted)
    assert providers.taken[0].content == {"chat_id": 1111111, "text": "Grüezi, Ann: your order is on its way"}


def test_an_answer_names_the_message_as_its_provider_id(providers: Providers) -> None:
    taken = sent(CASE, providers)
    assert taken == Accepted(hashlib.md5(f"1111111:{MESSAGE_NUMBER}".encode()).hexdigest())
    [row] = mapped("telegram", message("Thanks!", reply_to_message={"message_id": MESSAGE_NUMBER, "from": BOT}))
    assert Accepted(row["message_ref"]) == taken


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (BLOCKED, "http_403_blocked"),
        (DEACTIVATED, "http_403_deactivated"),
        (NOT_STARTED, "http_403_not_started"),
        (UNKNOWN, "http_400_chat_not_found"),
    ],
)
def test_a_chat_that_the_bot_cannot_write_in_is_gone(providers: Providers, address: str, expected: str) -> None:
    gone = replace(CASE, message=replace(CHAT, address=address))
    assert sent(gone, providers) == Refused(expected, is_address_gone=True)


def test_an_address_of_another_kind_is_refused(providers: Providers) -> None:
    assert sent(replace(CASE, message=replace(CHAT, address="@ann")), providers) == Refused("malformed_message")
    assert not providers.calls


def test_a_wrong_token_is_the_providers_trouble(providers: Providers) -> None:
    assert sent(CASE, providers, token="wrong") == Retry("http_401")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(429, "Too Many Requests: retry after 35", retry_after=35), Retry("http_429", timedelta(seconds=35))),
        (
            error(429, "Too Many Requests: retry after 999999", retry_after=999_999),
            Retry("http_429", timedelta(days=1)),
        ),
        (error(429, "Too Many Requests"), Retry("http_429")),
        (error(400, "Bad Request: message is too long"), Refused("http_400")),
        # The words of somebody on the way, not of Telegram.
        (Reply(403, "<html>Forbidden</html>"), Retry("http_403")),
        (error(404, "Not Found"), Retry("http_404")),
        (error(500, "Internal Server Error"), InDoubt("http_500")),
        (error(502, "Bad Gateway"), InDoubt("http_502")),
        (Reply(200, "<html>a portal</html>"), Accepted()),
    ],
)
def test_what_an_answer_says(providers: Providers, reply: Reply, expected: Outcome) -> None:
    assert sent(CASE, providers, Fault("reply", reply)) == expected
