from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cdp.delivery import Accepted, ChatTemplate, InDoubt, Outcome, Refused, Retry
from cdp.providers.whatsapp.send import SENDER
from tests import webhook_senders as senders
from tests.cdp.mapping import mapped
from tests.cdp.providers.test_whatsapp import body, status
from tests.cdp.verifying import NOW, opened
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Fault, Providers
from tests.delivery.fakes.whatsapp import NUMBER_ID, TOKEN, error
from tests.delivery.messages import MESSAGE_ID, SMS

CHAT = replace(SMS, channel="whatsapp", callback_url="https://cdp.example.com/webhooks/whatsapp")
CASE = Case("whatsapp", SENDER, {"access_token": TOKEN, "phone_number_id": NUMBER_ID}, CHAT)


def test_it_keeps_the_contract_of_senders(providers: Providers) -> None:
    check(CASE, providers)


def test_the_text_is_what_was_rendered(providers: Providers) -> None:
    assert sent(CASE, providers) == Accepted(f"wamid.{MESSAGE_ID}")
    message = providers.taken[0].content
    assert message["text"] == {"body": "Grüezi, Ann: your order is on its way", "preview_url": True}
    assert message["biz_opaque_callback_data"] == MESSAGE_ID


@pytest.mark.parametrize(
    ("values", "components"),
    [
        ((), []),
        (
            ("Ann", "42"),
            [{"type": "body", "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "42"}]}],
        ),
    ],
)
def test_a_template_has_the_values_of_its_placeholders(
    providers: Providers, values: tuple[str, ...], components: list[object]
) -> None:
    template = ChatTemplate("order_shipped", "de", values)
    assert isinstance(sent(replace(CASE, message=replace(CHAT, content=template)), providers), Accepted)
    message = providers.taken[0].content
    expected = {"name": "order_shipped", "language": {"code": "de"}, "components": components}
    assert (message["type"], message["template"]) == ("template", expected)


def test_wrong_credentials_are_the_providers_trouble(providers: Providers) -> None:
    assert sent(CASE, providers, access_token="wrong") == Retry("http_401_190")


@pytest.mark.parametrize(
    ("http", "code", "expected"),
    [
        (400, 131026, Refused("http_400_131026_undeliverable")),
        (400, 131047, Refused("http_400_131047_window_closed")),
        (400, 131050, Refused("http_400_131050_stopped")),
        (404, 132001, Refused("http_404_132001")),
        (400, 132000, Refused("http_400_132000")),
        (400, 130429, Retry("http_400_130429")),
        (400, 131056, Retry("http_400_131056")),
        (400, 80007, Retry("http_400_80007")),
        (400, 190, Retry("http_400_190")),
        (400, 131042, Retry("http_400_131042")),
        (500, 131016, Retry("http_500_131016")),
        (500, 131000, InDoubt("http_500_131000")),
        (400, 1, InDoubt("http_400_1")),
        (500, 5, InDoubt("http_500_5")),
    ],
)
def test_the_code_of_an_error_counts(providers: Providers, http: int, code: int, expected: Outcome) -> None:
    assert sent(CASE, providers, Fault("reply", error(http, code, "of +41790000001"))) == expected


def test_a_limit_may_say_how_long_to_wait(providers: Providers) -> None:
    limited = replace(error(400, 131056, "Pair rate limit hit"), headers={"Retry-After": "6"})
    assert sent(CASE, providers, Fault("reply", limited)) == Retry("http_400_131056", timedelta(seconds=6))


def test_a_status_has_our_id_of_the_message(providers: Providers) -> None:
    sent(CASE, providers)
    given = providers.taken[0].content["biz_opaque_callback_data"]
    [(_, payload)] = opened(
        "whatsapp", senders.whatsapp(body(statuses=[status("read", biz_opaque_callback_data=given)]), NOW)
    )
    [row] = mapped("whatsapp", payload)
    assert (row["message_id"], row["campaign_ref"], row["message_ref"]) == (MESSAGE_ID, None, "w1")


def test_what_others_give_to_a_status_is_a_campaign() -> None:
    [row] = mapped("whatsapp", body(statuses=[status("read", biz_opaque_callback_data="spring")]))
    assert (row["message_id"], row["campaign_ref"]) == (None, "spring")
