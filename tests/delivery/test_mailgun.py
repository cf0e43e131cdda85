from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import httpx

from cdp.delivery import Accepted, Refused, Retry
from cdp.providers.mailgun.send import SENDER, outcome, request
from tests.cdp.mapping import mapped
from tests.cdp.providers.test_mailgun import MAILGUN
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Providers
from tests.delivery.fakes.mailgun import DOMAIN, KEY
from tests.delivery.messages import HEADERS, MAIL, MESSAGE_ID

SETTINGS = {"api_key": KEY, "domain": DOMAIN, "from_address": "news@mg.example.com"}
CASE = Case("mailgun", SENDER, SETTINGS, MAIL)


def test_it_keeps_the_contract_of_senders(providers: Providers) -> None:
    check(CASE, providers)


def test_the_mail_is_what_was_rendered(providers: Providers) -> None:
    assert sent(CASE, providers) == Accepted(f"mg-{MESSAGE_ID}@{DOMAIN}")
    assert providers.taken[0].content == {
        "from": "Alpine Outfitters <news@mg.example.com>",
        "to": "ann@example.com",
        "subject": "Grüezi, Ann",
        "text": "Hello Ann",
        "html": "<p>Hello Ann</p>",
        "v:message_id": MESSAGE_ID,
        **{f"h:{name}": value for name, value in HEADERS.items()},
    }


def test_the_name_of_the_sender_is_no_second_address(providers: Providers) -> None:
    named = replace(MAIL, sender="Ann, Bob & Söhne <x@example.org>")
    assert isinstance(sent(replace(CASE, message=named), providers), Accepted)
    assert "x@example.org" not in providers.taken[0].content["from"]


def test_a_wrong_key_or_domain_is_the_providers_trouble(providers: Providers) -> None:
    assert sent(CASE, providers, api_key="key-wrong") == Retry("http_401")
    assert sent(CASE, providers, domain="other.example.com") == Retry("http_404")


def test_an_invalid_address_is_refused(providers: Providers) -> None:
    assert sent(replace(CASE, message=replace(MAIL, address="ann")), providers) == Refused("http_400")


def test_the_eu_has_its_own_api() -> None:
    eu = {**SETTINGS, "base_url": "https://api.eu.mailgun.net"}
    assert request(MAIL, eu, datetime.now(UTC)).url == f"https://api.eu.mailgun.net/v3/{DOMAIN}/messages"


def test_a_queued_mail_without_an_id_is_accepted() -> None:
    assert outcome(httpx.Response(200, text="Queued")) == Accepted(None)


def test_events_carry_our_id_and_mailguns() -> None:
    headers = {"message-id": f"mg-{MESSAGE_ID}@{DOMAIN}"}
    [row] = mapped(
        "mailgun", {**MAILGUN, "message": {"headers": headers}, "user-variables": {"message_id": MESSAGE_ID}}
    )
    assert (row["message_id"], row["message_ref"]) == (MESSAGE_ID, f"mg-{MESSAGE_ID}@{DOMAIN}")
    [other] = mapped("mailgun", {**MAILGUN, "user-variables": []})
    assert other["message_id"] is None
