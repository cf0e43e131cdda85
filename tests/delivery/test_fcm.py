from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from cdp.delivery import Accepted, InDoubt, Outcome, Refused, Retry
from cdp.delivery.http import HttpTransport
from cdp.providers.fcm.send import SENDER, can_send_to
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Fault, Providers, Reply, serving
from tests.delivery.fakes.fcm import PROJECT, error, service_account
from tests.delivery.messages import MESSAGE_ID, PUSH

NOW = datetime(2026, 6, 1, 11, tzinfo=UTC)


@pytest.fixture
def google() -> Iterator[Providers]:
    """Grants access tokens, apart from the fake that takes the messages and has their faults."""
    with serving(Providers()) as found:
        yield found


@pytest.fixture
def case(google: Providers, tmp_path: Path) -> Case:
    return case_with(tmp_path, service_account(f"{google.url_of('fcm')}/token"))


def case_with(folder: Path, account: Mapping[str, str]) -> Case:
    file = folder / "service-account.json"
    file.write_text(json.dumps(account))
    return Case("fcm", SENDER, {"service_account": str(file), "project_id": PROJECT}, PUSH)


def test_it_keeps_the_contract_of_senders(case: Case, providers: Providers) -> None:
    check(case, providers)


def test_the_notification_is_what_was_rendered(case: Case, providers: Providers) -> None:
    assert sent(case, providers) == Accepted(f"0:{MESSAGE_ID}")
    message = providers.taken[0].content
    assert message["notification"] == {"title": "Grüezi, Ann", "body": "Your order is on its way"}
    assert message["data"] == {
        "order": "1",
        "message_id": MESSAGE_ID,
        "url": "https://shop.example.com/orders/1",
    }


@pytest.mark.parametrize(
    ("left", "ttl"),
    [
        (timedelta(hours=1), "3600"),
        (timedelta(days=90), "2419200"),
        (timedelta(seconds=-1), "0"),
    ],
)
def test_it_expires_on_every_platform(left: timedelta, ttl: str) -> None:
    request = SENDER.request(replace(PUSH, expires_at=NOW + left), {"base_url": "https://x", "project_id": "p"}, NOW)
    assert isinstance(request, httpx.Request)
    message = json.loads(request.content)["message"]
    assert message["android"] == {"ttl": f"{ttl}s"}
    assert message["webpush"]["headers"] == {"TTL": ttl}
    assert message["apns"]["headers"] == {"apns-expiration": str(int((NOW + left).timestamp()))}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (error(404, "UNREGISTERED"), Refused("http_404_UNREGISTERED", is_address_gone=True)),
        (error(403, "SENDER_ID_MISMATCH"), Refused("http_403_SENDER_ID_MISMATCH", is_address_gone=True)),
        (error(400, "INVALID_ARGUMENT"), Refused("http_400_INVALID_ARGUMENT")),
        (error(429, "QUOTA_EXCEEDED"), Retry("http_429_QUOTA_EXCEEDED")),
        (error(503, "UNAVAILABLE"), Retry("http_503_UNAVAILABLE")),
        (error(500, "INTERNAL"), InDoubt("http_500_INTERNAL")),
        (error(401, "THIRD_PARTY_AUTH_ERROR"), Retry("http_401_THIRD_PARTY_AUTH_ERROR")),
        # A code that is none is not repeated, because it might hold anything.
        (error(400, "ann@example.com"), Refused("http_400")),
        (Reply(404, {"error": {"details": ["?", {"fieldViolations": []}]}}), Retry("http_404")),
        (Reply(400, {"error": "?"}), Refused("http_400")),
        (Reply(200, b"not JSON"), Accepted(None)),
    ],
)
def test_errors_are_told_apart(case: Case, providers: Providers, reply: Reply, outcome: Outcome) -> None:
    assert sent(case, providers, Fault("reply", reply)) == outcome


# --- access tokens ------------------------------------------------------------------------------------------


def test_a_failing_token_request_leaves_the_message_with_us(
    case: Case, providers: Providers, google: Providers
) -> None:
    for fault, outcome in [
        (Fault("drop"), Retry("authorisation_remote_protocol_error")),
        (Fault("reply", Reply(500)), Retry("authorisation_http_500")),
        (Fault("reply", Reply(200, {"access_token": 7})), Retry("authorisation_http_200")),
        (
            Fault("reply", Reply(429, headers={"Retry-After": "17"})),
            Retry("authorisation_http_429", timedelta(seconds=17)),
        ),
    ]:
        google.faults = [fault]
        assert sent(case, providers) == outcome
    assert providers.calls == []


def test_a_foreign_key_is_refused(tmp_path: Path, providers: Providers, google: Providers) -> None:
    account = service_account(f"{google.url_of('fcm')}/token")
    foreign = {**account, "private_key": RSAKey.generate_key(2048).as_pem(private=True).decode()}
    assert sent(case_with(tmp_path, foreign), providers) == Retry("authorisation_http_400")


@pytest.mark.parametrize("change", [{"private_key": "no key"}, {"token_uri": None}])
def test_an_unusable_key_file_is_the_senders_trouble(
    tmp_path: Path, providers: Providers, change: dict[str, Any]
) -> None:
    case = case_with(tmp_path, {**service_account("https://example.com"), **change})
    assert sent(case, providers) == Retry("bad_service_account")
    assert sent(case, providers, service_account=str(tmp_path / "none.json")) == Retry("bad_service_account")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def transport(case: Case, providers: Providers) -> Iterator[HttpTransport]:
    with httpx.Client() as client:
        yield HttpTransport(SENDER, {**case.settings, "base_url": providers.url_of("fcm")}, client, Clock())


def test_a_token_is_kept_until_shortly_before_it_expires(transport: HttpTransport, google: Providers) -> None:
    for minutes, tokens in [(0, 1), (50, 1), (56, 2), (100, 2)]:
        transport.clock.now = NOW + timedelta(minutes=minutes)
        assert isinstance(transport.send(PUSH), Accepted)
        assert len(google.calls) == tokens, minutes


def test_threads_share_one_token(transport: HttpTransport, google: Providers, providers: Providers) -> None:
    google.faults = [Fault("late", seconds=0.1)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(transport.send, [PUSH] * 8))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert (len(google.calls), len(providers.taken)) == (1, 8)


def test_a_failure_holds_for_a_moment(transport: HttpTransport, google: Providers) -> None:
    google.faults = [Fault("reply", Reply(500))]
    assert [transport.send(PUSH) for _ in range(2)] == [Retry("authorisation_http_500")] * 2
    assert len(google.calls) == 1
    transport.clock.now += timedelta(seconds=5)
    assert isinstance(transport.send(PUSH), Accepted)


# --- addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "can"),
    [
        ("dGVzdA_x-1:APA91bHPRgkF3JUikC4ENAHEeMrd41Zxv3hVZjC9KtT8OvPVGJ", True),
        ("ab" * 32, False),
        ('{"endpoint":"https://push.example.com/1"}', False),
        ("", False),
    ],
)
def test_registration_tokens_are_known(address: str, can: bool) -> None:
    assert can_send_to(address) is can
    assert SENDER.suits is can_send_to
