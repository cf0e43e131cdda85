from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from cdp.delivery import Accepted, Dispatch, InDoubt, Outcome, Push, Refused, Retry
from cdp.providers.apns.send import SENDER, apns_id, authorise, can_send_to
from tests.delivery.apns_server import KEY_ID, TEAM_ID, TOPIC, Apple, error, key, serving_apple
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Fault, Reply
from tests.delivery.messages import MESSAGE_ID, PUSH

NOW = datetime(2026, 6, 1, 11, tzinfo=UTC)
MESSAGE = replace(PUSH, address="0f" * 32)


@pytest.fixture
def apple() -> Iterator[Apple]:
    with serving_apple() as found:
        yield found


@pytest.fixture
def case(tmp_path: Path) -> Case:
    file = tmp_path / "AuthKey.p8"
    file.write_bytes(key().as_pem(private=True))
    return Case("apns", SENDER, {"key": str(file), "key_id": KEY_ID, "team_id": TEAM_ID, "topic": TOPIC}, MESSAGE)


def test_it_keeps_the_contract_of_senders(case: Case, apple: Apple) -> None:
    check(case, apple)


def test_the_notification_is_what_was_rendered(case: Case, apple: Apple) -> None:
    assert sent(case, apple) == Accepted(apns_id(MESSAGE_ID))
    assert apple.taken[0].content == {
        "aps": {"alert": {"title": "Grüezi, Ann", "body": "Your order is on its way"}},
        "order": "1",
        "message_id": MESSAGE_ID,
        "url": "https://shop.example.com/orders/1",
    }
    expires_at = apple.calls[0].header("apns-expiration")
    assert datetime.fromtimestamp(int(expires_at), UTC) == MESSAGE.expires_at


def test_a_repeat_has_the_same_id_at_apple(case: Case, apple: Apple) -> None:
    assert sent(case, apple, Fault("take_and_drop")) == InDoubt("remote_protocol_error")
    assert isinstance(sent(case, apple), Accepted)
    first, second = (call.header("apns-id") for call in apple.calls)
    assert first == second != apns_id("msg_another")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (error(410, "Unregistered"), Refused("http_410_Unregistered", is_address_gone=True)),
        (error(410, "ExpiredToken"), Refused("http_410_ExpiredToken", is_address_gone=True)),
        (error(400, "BadDeviceToken"), Refused("http_400_BadDeviceToken", is_address_gone=True)),
        (error(400, "DeviceTokenNotForTopic"), Refused("http_400_DeviceTokenNotForTopic", is_address_gone=True)),
        (error(400, "PayloadEmpty"), Refused("http_400_PayloadEmpty")),
        (error(400, "TopicDisallowed"), Retry("http_400_TopicDisallowed")),
        (error(413, "PayloadTooLarge"), Refused("http_413_PayloadTooLarge")),
        (error(429, "TooManyRequests"), Retry("http_429_TooManyRequests")),
        (error(403, "ExpiredProviderToken"), Retry("http_403_ExpiredProviderToken")),
        (error(500, "InternalServerError"), InDoubt("http_500_InternalServerError")),
        (error(503, "ServiceUnavailable"), Retry("http_503_ServiceUnavailable")),
        # A reason that is none is not repeated, because it might hold anything.
        (error(400, "ann@example.com"), Refused("http_400")),
        (Reply(410), Refused("http_410", is_address_gone=True)),
    ],
)
def test_errors_are_told_apart(case: Case, apple: Apple, reply: Reply, outcome: Outcome) -> None:
    assert sent(case, apple, Fault("reply", reply)) == outcome


def test_a_payload_that_is_too_large_is_not_sent(case: Case, apple: Apple) -> None:
    room = 4_096 - len(sized(0))
    assert len(sized(room)) == 4_096
    assert isinstance(sent(replace(case, message=with_body(room)), apple), Accepted)
    assert sent(replace(case, message=with_body(room + 1)), apple) == Refused("payload_too_large")
    assert len(apple.calls) == 1


def with_body(length: int) -> Dispatch:
    return replace(MESSAGE, content=Push("Hello", "x" * length))


def sized(length: int) -> bytes:
    request = SENDER.request(with_body(length), {"base_url": "https://x", "topic": TOPIC}, NOW)
    assert isinstance(request, httpx.Request)
    return request.content


def test_an_address_that_is_no_token_is_not_sent_to(case: Case, apple: Apple) -> None:
    wrong = replace(case, message=replace(MESSAGE, address="../../other"))
    assert sent(wrong, apple) == Refused("bad_device_token", is_address_gone=True)
    assert apple.calls == []


# --- provider tokens ----------------------------------------------------------------------------------------


def test_a_token_is_made_for_forty_minutes(case: Case) -> None:
    with httpx.Client() as client:
        found = authorise(client, case.settings, NOW)
    assert not isinstance(found, Retry)
    assert found.renew_at == NOW + timedelta(minutes=40)


def test_messages_share_a_token(case: Case, apple: Apple) -> None:
    with SENDER.opened({**case.settings, "base_url": apple.url_of("apns")}) as transport:
        assert all(isinstance(transport.send(MESSAGE), Accepted) for _ in range(3))
    assert len({call.header("authorization") for call in apple.calls}) == 1


def test_an_unusable_key_is_the_senders_trouble(case: Case, apple: Apple, tmp_path: Path) -> None:
    file = tmp_path / "wrong.p8"
    assert sent(case, apple, key=str(file)) == Retry("bad_key")
    file.write_text(json.dumps("no key"))
    assert sent(case, apple, key=str(file)) == Retry("bad_key")
    assert apple.calls == []


# --- addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "can"),
    [
        ("0f" * 32, True),
        ("0F" * 80, True),
        ("0f" * 31, False),
        ("0f" * 32 + "0", False),
        ("dGVzdA_x-1:APA91bHPRgkF3JUikC4ENAHEeMrd41Zxv3hVZjC9KtT8OvPVGJ", False),
        ('{"endpoint":"https://push.example.com/1"}', False),
    ],
)
def test_device_tokens_are_known(address: str, can: bool) -> None:
    assert can_send_to(address) is can
    assert SENDER.suits is can_send_to
