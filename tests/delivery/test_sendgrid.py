from __future__ import annotations

from cdp.delivery import Accepted, Retry
from cdp.providers.sendgrid.send import SENDER
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Providers
from tests.delivery.fakes.sendgrid import KEY
from tests.delivery.messages import HEADERS, MAIL, MESSAGE_ID

CASE = Case("sendgrid", SENDER, {"api_key": KEY, "from_address": "news@example.com"}, MAIL)


def test_it_keeps_the_contract_of_senders(providers: Providers) -> None:
    check(CASE, providers)


def test_the_mail_is_what_was_rendered(providers: Providers) -> None:
    assert sent(CASE, providers) == Accepted(f"sg-{MESSAGE_ID}")
    mail = providers.taken[0].content
    assert mail["subject"] == "Grüezi, Ann"
    assert mail["from"] == {"email": "news@example.com", "name": "Alpine Outfitters"}
    assert mail["headers"] == HEADERS


def test_a_wrong_key_is_the_providers_trouble(providers: Providers) -> None:
    assert sent(CASE, providers, api_key="SG.wrong") == Retry("http_401")
