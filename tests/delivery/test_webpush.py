from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from cdp.delivery import Accepted, Dispatch, InDoubt, Outcome, Push, Refused, Retry, Settings
from cdp.providers.webpush.send import SENDER, can_send_to, is_public
from tests.delivery.contract import Case, check, sent
from tests.delivery.fakes import Fault, Providers, Reply
from tests.delivery.fakes.webpush import subscription
from tests.delivery.messages import MESSAGE_ID, PUSH

NOW = datetime(2026, 6, 1, 11, tzinfo=UTC)
BAD = Refused("bad_subscription", is_address_gone=True)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "vapid.pem"
    file.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    return file


@pytest.fixture
def case(providers: Providers, key_file: Path) -> Case:
    told = {"vapid_private_key": str(key_file), "subject": "mailto:push@example.com", "allow_any_host": "yes"}
    address = subscription(providers.url_of("webpush"), "ann")
    return Case("webpush", SENDER, told, replace(PUSH, address=address))


def test_it_keeps_the_contract_of_senders(case: Case, providers: Providers) -> None:
    def request(dispatch: Dispatch, settings: Settings, now: datetime) -> httpx.Request | Refused | Retry:
        """Where to send is no setting: it is in the address."""
        address = dispatch.address.replace(providers.url_of("webpush"), settings["base_url"])
        return SENDER.request(replace(dispatch, address=address), settings, now)

    check(replace(case, sender=replace(SENDER, request=request)), providers)


def test_the_notification_is_what_was_rendered(case: Case, providers: Providers) -> None:
    assert sent(case, providers) == Accepted(f"{providers.url_of('webpush')}/message/{MESSAGE_ID}")
    assert providers.taken[0].content == {
        "title": "Grüezi, Ann",
        "body": "Your order is on its way",
        "url": "https://shop.example.com/orders/1",
        "data": {"order": "1"},
        "message_id": MESSAGE_ID,
    }


@pytest.mark.parametrize(
    ("left", "ttl"),
    [(timedelta(hours=1), "3600"), (timedelta(days=90), "2419200"), (timedelta(seconds=-1), "0")],
)
def test_it_expires(case: Case, left: timedelta, ttl: str) -> None:
    request = SENDER.request(replace(case.message, expires_at=NOW + left), case.settings, NOW)
    assert isinstance(request, httpx.Request)
    assert request.headers["TTL"] == ttl


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(404), Refused("http_404", is_address_gone=True)),
        (Reply(410), Refused("http_410", is_address_gone=True)),
        (Reply(413), Refused("http_413")),
        (Reply(429), Retry("http_429")),
        (Reply(403), Retry("http_403")),
        (Reply(500), InDoubt("http_500")),
        (Reply(301, headers={"Location": "http://127.0.0.1/"}), Retry("http_301")),
    ],
)
def test_errors_are_told_apart(case: Case, providers: Providers, reply: Reply, outcome: Outcome) -> None:
    assert sent(case, providers, Fault("reply", reply)) == outcome


def test_a_payload_that_is_too_large_is_not_sent(case: Case, providers: Providers) -> None:
    empty = {"title": "", "body": "", "url": None, "data": {}, "message_id": MESSAGE_ID}
    room = 3_993 - len(json.dumps(empty, separators=(",", ":")))
    fitting, larger = (replace(case.message, content=Push("", "x" * length)) for length in (room, room + 1))
    assert isinstance(sent(replace(case, message=fitting), providers), Accepted)
    assert len(providers.calls[0].body) == 4_096
    assert sent(replace(case, message=larger), providers) == Refused("payload_too_large")
    assert len(providers.calls) == 1


# --- the sender's key ---------------------------------------------------------------------------------------


def test_the_key_may_be_told_itself(case: Case, providers: Providers) -> None:
    key = ECKey.generate_key("P-256").as_dict(private=True)["d"]
    assert isinstance(sent(case, providers, vapid_private_key=key), Accepted)


def test_an_unusable_key_is_the_senders_trouble(case: Case, providers: Providers, tmp_path: Path) -> None:
    file, trouble = tmp_path / "wrong.pem", Retry("bad_vapid_settings")
    assert sent(case, providers, vapid_private_key=str(file)) == trouble
    assert not file.exists()
    file.write_text("no key")
    assert sent(case, providers, vapid_private_key=str(file)) == trouble
    other_curve = tmp_path / "other.pem"
    other_curve.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    assert sent(case, providers, vapid_private_key=str(other_curve)) == trouble
    assert sent(case, providers, subject="nobody") == trouble
    assert providers.calls == []


# --- addresses ----------------------------------------------------------------------------------------------


GOOD: dict[str, Any] = json.loads(subscription("https://push.example.com", "ann"))


@pytest.mark.parametrize(
    "address",
    [
        "{",
        "{}",
        "[]",
        "7",
        "null",
        "[" * 100_000,
        json.dumps({**GOOD, "endpoint": 7}),
        json.dumps({**GOOD, "endpoint": "push.example.com/1"}),
        json.dumps({**GOOD, "endpoint": "https://user:word@push.example.com/1"}),
        json.dumps({**GOOD, "endpoint": "https://push.example.com:port/1"}),
        json.dumps({**GOOD, "keys": []}),
        json.dumps({**GOOD, "keys": {**GOOD["keys"], "auth": None}}),
        json.dumps({**GOOD, "keys": {**GOOD["keys"], "auth": "c2hvcnQ"}}),
        json.dumps({**GOOD, "keys": {**GOOD["keys"], "p256dh": GOOD["keys"]["auth"]}}),
        json.dumps({**GOOD, "keys": {**GOOD["keys"], "p256dh": "é"}}),
    ],
)
def test_a_malformed_subscription_is_gone(case: Case, providers: Providers, address: str) -> None:
    assert sent(replace(case, message=replace(case.message, address=address)), providers) == BAD


def test_an_endpoint_that_is_not_public_is_not_asked(case: Case, providers: Providers) -> None:
    assert sent(case, providers, allow_any_host="") == BAD
    assert providers.calls == []


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc", True),
        ("https://updates.push.services.mozilla.com/wpush/v2/abc", True),
        ("https://web.push.apple.com/abc", True),
        ("https://db5p.notify.windows.com/w/?token=abc", True),
        ("https://push.bücher.example/1", True),
        ("http://push.example.com/1", False),
        ("https://localhost/1", False),
        ("https://api.localhost/1", False),
        ("https://printer.local/1", False),
        ("https://metadata.google.internal/1", False),
        ("https://warehouse/1", False),
        ("https://127.0.0.1/1", False),
        ("https://10.0.0.1:8443/1", False),
        ("https://169.254.169.254/1", False),
        ("https://2130706433/1", False),
        ("https://0x7f.1/1", False),
        ("https://127.1/1", False),
        ("https://[::1]/1", False),
        ("https://[::ffff:127.0.0.1]/1", False),
        ("https://localhost./1", False),
    ],
)
def test_public_hosts_are_known(endpoint: str, expected: bool) -> None:
    assert is_public(httpx.URL(endpoint)) is expected


@pytest.mark.parametrize(
    ("address", "can"),
    [
        (json.dumps(GOOD), True),
        ("0f" * 32, False),
        ("dGVzdA_x-1:APA91bHPRgkF3JUikC4ENAHEeMrd41Zxv3hVZjC9KtT8OvPVGJ", False),
    ],
)
def test_subscriptions_are_known(address: str, can: bool) -> None:
    assert can_send_to(address) is can
    assert SENDER.suits is can_send_to
