from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cdp.delivery import Accepted, InDoubt, Outcome, Refused, Retry
from cdp.providers.messenger.send import SENDER
from tests.cdp.mapping import mapped
from tests.cdp.providers.test_messenger import PSID, body, echo, event
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Fault, Providers
from tests.delivery.fakes.messenger import PAGE, TOKEN, error
from tests.delivery.messages import MESSAGE_ID, SMS

CHAT = replace(SMS, channel="messenger", address=PSID, callback_url="https://cdp.example.com/webhooks/messenger")
CASE = Case("messenger", SENDER, {"access_token": TOKEN, "page_id": PAGE}, CHAT)


def test_it_keeps_the_contract_of_senders(providers: Providers) -> None:
    check(CASE, providers)


def test_the_text_is_what_was_rendered(providers: Providers) -> None:
    assert sent(CASE, providers) == Accepted(f"m_{MESSAGE_ID}")
    assert providers.taken[0].content == {
        "recipient": {"id": PSID},
        "messaging_type": "UPDATE",
        "message": {"text": "Grüezi, Ann: your order is on its way", "metadata": MESSAGE_ID},
    }


def test_the_page_is_that_of_the_token_if_none_is_named(providers: Providers) -> None:
    sent(replace(CASE, settings={"access_token": TOKEN}), providers)
    assert providers.calls[0].path == "/v23.0/me/messages"


def test_wrong_credentials_are_the_providers_trouble(providers: Providers) -> None:
    assert sent(CASE, providers, access_token="wrong") == Retry("http_400_190")


@pytest.mark.parametrize(
    ("http", "code", "subcode", "expected"),
    [
        (403, 10, 2018278, Refused("http_403_10_2018278_window_closed")),
        (400, 10, 2018108, Refused("http_400_10_2018108_unavailable")),
        (400, 551, 1545041, Refused("http_400_551_1545041_unavailable")),
        (400, 551, None, Refused("http_400_551_unavailable")),
        (400, 200, 1545041, Refused("http_400_200_1545041_unavailable")),
        (400, 100, 2018001, Refused("http_400_100_2018001_no_such_person", is_address_gone=True)),
        (400, 100, None, Refused("http_400_100")),
        (400, 4, None, Retry("http_400_4")),
        (403, 32, None, Retry("http_403_32")),
        (400, 613, None, Retry("http_400_613")),
        (400, 80006, None, Retry("http_400_80006")),
        (400, 10, None, Retry("http_400_10")),
        (403, 200, None, Retry("http_403_200")),
        (400, 190, 463, Retry("http_400_190_463")),
        (500, 2, None, Retry("http_500_2")),
        (500, 1200, 1545012, Retry("http_500_1200_1545012")),
        (500, 1, 99, InDoubt("http_500_1_99")),
        (500, 5, None, InDoubt("http_500_5")),
    ],
)
def test_the_code_of_an_error_counts(
    providers: Providers, http: int, code: int, subcode: int | None, expected: Outcome
) -> None:
    assert sent(CASE, providers, Fault("reply", error(http, code, subcode, "as documented"))) == expected


def test_a_limit_may_say_how_long_to_wait(providers: Providers) -> None:
    limited = replace(
        error(400, 613, None, "Calls to this API have exceeded the rate limit"), headers={"Retry-After": "6"}
    )
    assert sent(CASE, providers, Fault("reply", limited)) == Retry("http_400_613", timedelta(seconds=6))


def test_the_echo_has_our_id_of_the_message_and_a_delivery_that_of_the_answer(providers: Providers) -> None:
    taken = sent(CASE, providers)
    given = providers.taken[0].content["message"]["metadata"]
    assert isinstance(taken, Accepted)
    [reported] = mapped("messenger", body(echo(mid=taken.provider_id, metadata=given)))
    assert (reported["event_type"], reported["message_id"]) == ("sent", MESSAGE_ID)
    [delivered] = mapped(
        "messenger", body(event(delivery={"mids": [taken.provider_id], "watermark": 1}, timestamp=2e12))
    )
    assert (delivered["event_type"], delivered["message_ref"]) == ("delivered", taken.provider_id)
