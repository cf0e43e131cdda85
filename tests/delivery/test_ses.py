from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from cdp.delivery import Accepted, Dispatch, Outcome, Refused, Retry
from cdp.providers.ses.send import SENDER, outcome, request, signing_headers
from tests.cdp.mapping import mapped
from tests.cdp.providers.test_ses import ses
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Providers
from tests.delivery.fakes.ses import KEY_ID, REGION, SECRET, UNVERIFIED
from tests.delivery.messages import HEADERS, MAIL, MESSAGE_ID

KEY = {"access_key_id": KEY_ID, "secret_access_key": SECRET, "region": REGION}
CASE = Case("ses", SENDER, {**KEY, "from_address": "news@example.com"}, MAIL)


def other(**fields: Any) -> Case:
    return replace(CASE, message=replace(MAIL, **fields))


def test_it_keeps_the_contract_of_senders(providers: Providers) -> None:
    check(CASE, providers)


def test_the_mail_is_what_was_rendered(providers: Providers) -> None:
    assert sent(CASE, providers, configuration_set="events") == Accepted(f"ses-{MESSAGE_ID}")
    mail = providers.taken[0].content
    assert mail["FromEmailAddress"] == "Alpine Outfitters <news@example.com>"
    assert mail["ConfigurationSetName"] == "events"
    assert mail["EmailTags"] == [{"Name": "message_id", "Value": MESSAGE_ID}]
    simple = mail["Content"]["Simple"]
    assert simple["Subject"]["Data"] == "Grüezi, Ann"
    body = {kind: part["Data"] for kind, part in simple["Body"].items()}
    assert body == {"Text": "Hello Ann", "Html": "<p>Hello Ann</p>"}
    assert {header["Name"]: header["Value"] for header in simple["Headers"]} == HEADERS


def test_the_name_of_the_sender_may_have_umlauts(providers: Providers) -> None:
    assert isinstance(sent(other(sender="Müller & Söhne"), providers), Accepted)


def test_an_invalid_address_is_refused(providers: Providers) -> None:
    assert sent(other(address="ann"), providers) == Refused("http_400_BadRequestException")


@pytest.mark.parametrize(
    ("setting", "value", "error"),
    [
        ("access_key_id", "AKIDWRONG", "http_403_UnrecognizedClientException"),
        ("secret_access_key", "wrong", "http_403_SignatureDoesNotMatch"),
        ("region", "us-east-1", "http_403_SignatureDoesNotMatch"),
        ("configuration_set", "unknown", "http_404_NotFoundException"),
        ("from_address", f"news@{UNVERIFIED}", "http_400_not_verified"),
    ],
)
def test_a_wrong_setting_is_the_providers_trouble(providers: Providers, setting: str, value: str, error: str) -> None:
    assert sent(CASE, providers, **{setting: value}) == Retry(error)


def answer(status: int, name: str, message: str = "") -> httpx.Response:
    return httpx.Response(status, json={"message": message}, headers={"x-amzn-ErrorType": name})


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(400, "SendingPausedException"), Retry("http_400_SendingPausedException")),
        (answer(400, "ThrottlingException"), Retry("http_400_ThrottlingException")),
        (answer(429, "TooManyRequestsException"), Retry("http_429_TooManyRequestsException")),
        (answer(400, "MessageRejected", "Invalid content"), Refused("http_400_MessageRejected")),
        (answer(400, "ann@example.com is unknown"), Refused("http_400")),
        (httpx.Response(200, text="no JSON"), Accepted(None)),
    ],
)
def test_other_answers(response: httpx.Response, expected: Outcome) -> None:
    assert outcome(response) == expected


def test_the_base_url_is_that_of_the_region() -> None:
    settings = {**CASE.settings, "configuration_set": "", "base_url": ""}
    url = request(MAIL, settings, datetime.now(UTC)).url
    assert url == "https://email.eu-central-2.amazonaws.com/v2/email/outbound-emails"


def test_the_request_is_a_function_of_the_message_and_the_time() -> None:
    settings = {**CASE.settings, "configuration_set": "", "base_url": ""}

    def signed(dispatch: Dispatch, second: int) -> Mapping[str, str]:
        return dict(request(dispatch, settings, datetime(2026, 6, 1, 12, 0, second, tzinfo=UTC)).headers)

    assert signed(MAIL, 0) == signed(MAIL, 0)
    assert signed(MAIL, 0)["authorization"] != signed(MAIL, 1)["authorization"]
    assert signed(MAIL, 0)["authorization"] != signed(replace(MAIL, address="bob@example.com"), 0)["authorization"]


# The examples that AWS publishes: three of its test suite, and the one of its documentation.
EXAMPLE = {
    "access_key_id": "AKIDEXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "region": "us-east-1",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
VANILLA = "https://example.amazonaws.com/"


@pytest.mark.parametrize(
    ("service", "signed", "signature"),
    [
        (
            "service",
            httpx.Request("GET", VANILLA),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "service",
            httpx.Request("POST", VANILLA),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "service",
            httpx.Request("GET", f"{VANILLA}?Param2=value2&Param1=value1"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "iam",
            httpx.Request("GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", headers=FORM),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
)
def test_the_signature_is_that_of_the_published_examples(service: str, signed: httpx.Request, signature: str) -> None:
    headers = signing_headers(signed, EXAMPLE, service, datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    assert headers["X-Amz-Date"] == "20150830T123600Z"
    names = "content-type;host;x-amz-date" if "Content-Type" in signed.headers else "host;x-amz-date"
    assert headers["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def test_events_carry_our_id() -> None:
    [row] = mapped("ses", ses("Send", mail={"tags": {"message_id": [MESSAGE_ID], "ses:operation": ["SendEmail"]}}))
    assert row["message_id"] == MESSAGE_ID
