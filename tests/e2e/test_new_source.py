"""Adding a provider is one folder: nothing else in the code knows its name."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cdp.settings import Settings
from tests.e2e.command import Command
from tests.provider_folders import added_provider

PIGEON_POST = {
    "source.py": '''
"""Carrier pigeons: a line a flight."""

from cdp.providers.pigeon.webhook import WEBHOOK
from cdp.sources import Source

SOURCE = Source(
    name="pigeon",
    title="Carrier pigeon post",
    files=("pigeon*",),
    keys=(frozenset({"pigeon", "loft", "addressee"}),),
    webhook=WEBHOOK,
    select="""
        with flight as (
            select file_id, line_number, received_at, payload ->> 'addressee' as addressee,
                payload ->> 'name' as name, from_iso(payload ->> 'at') as happened_at, payload ->> 'pigeon' as ring
            from raw
        )
        select file_id, line_number, received_at,
            case when addressee is null then 'no_identifier' when happened_at is null then 'bad_time' end as refused,
            ring || happened_at::varchar as event_key,
            'store' as channel, 'delivered' as event_type, 'landed' as event_name, happened_at as occurred_at,
            name as first_name, addressee as email
        from flight
    """,
)
''',
    "webhook.py": '''
"""Lofts seal what they send."""

import hashlib
import hmac

from cdp.webhooks import Refused, Secret, Webhook, same
from cdp.webhooks.payloads import by_id


def verify(request, secrets, now):
    if not same(request.header("X-Seal"), hmac.digest(secrets["seal"].encode(), request.body, hashlib.sha256).hex()):
        raise Refused("the seal is broken")


WEBHOOK = Webhook(
    provider="pigeon", secrets=(Secret("seal", "the seal of the loft"),), verify=verify, items=by_id("pigeon")
)
''',
}
SEAL = {"CDP_WEBHOOKS__PIGEON__SEAL": "wax"}

FLIGHTS = [
    {"pigeon": "GB-1", "loft": "Dover", "addressee": "Ann@Example.com", "name": "Ann", "at": "2026-05-01T08:00:00Z"},
    {"pigeon": "GB-2", "loft": "Dover", "addressee": "ann@example.com", "name": "Ann", "at": "2026-05-02T08:00:00Z"},
    {"pigeon": "GB-3", "loft": "Deal", "addressee": "bob@example.com", "name": "Bob", "at": "2026-05-03T08:00:00Z"},
    {"pigeon": "GB-4", "loft": "Deal", "addressee": "bob@example.com", "name": "Bob", "at": "at dawn"},
]


@pytest.fixture
def pigeons(tmp_path: Path) -> Iterator[None]:
    with added_provider(tmp_path / "providers", "pigeon", PIGEON_POST):
        yield


@pytest.mark.usefixtures("pigeons")
def test_one_folder_makes_a_provider_known_with_its_webhook_and_its_secret(command: Command) -> None:
    assert "Carrier pigeon post" in command("sources").stdout
    for settings, state in (({}, "not set"), (SEAL, "set")):
        rows = [" ".join(line.split()) for line in command("sources", **settings).stdout.splitlines()]
        assert f"/webhooks/pigeon CDP_WEBHOOKS__PIGEON__SEAL {state}" in rows
    rows = [" ".join(line.split()) for line in command("config", **SEAL).stdout.splitlines()]
    assert "CDP_WEBHOOKS__PIGEON__SEAL *** environment" in rows


@pytest.mark.usefixtures("pigeons")
def test_one_folder_takes_a_log_from_landing_to_profile(command: Command, tmp_path: Path) -> None:
    log = tmp_path / "flights.jsonl"  # a name that says nothing: its keys tell whose it is
    log.write_text("\n".join(map(json.dumps, FLIGHTS)))
    answer = command("run", str(log), "--json")
    assert answer.exit_code == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["events"], report["rejected"], report["profiles"]) == (3, 1, 2)
    assert people(command) == [("ann@example.com", "Ann"), ("bob@example.com", "Bob")]
    assert "pigeon bad_time" in command("rejects").stdout


@pytest.mark.usefixtures("pigeons")
def test_one_folder_takes_a_signed_request_from_its_webhook_to_profile(command: Command, home: Path) -> None:
    settings = Settings(home=home, webhooks={"pigeon": {"seal": "wax"}})
    with TestClient(create_app(settings), raise_server_exceptions=False) as http:
        assert post(http, FLIGHTS, seal="spit").status_code == 401
        taken = post(http, FLIGHTS, seal="wax")
    assert (taken.status_code, taken.json()) == (200, {"accepted": 4, "duplicates": 0, "rejected": 1})
    answer = command("run", "--json")
    assert answer.exit_code == 0, answer.stderr
    assert people(command) == [("ann@example.com", "Ann"), ("bob@example.com", "Bob")]


@pytest.mark.usefixtures("pigeons")
def test_requests_are_refused_until_the_secret_is_set(home: Path) -> None:
    with TestClient(create_app(Settings(home=home)), raise_server_exceptions=False) as http:
        refused = post(http, FLIGHTS, seal="wax")
    assert refused.status_code == 503 and "CDP_WEBHOOKS__PIGEON__SEAL" in refused.text


def test_without_the_folder_the_provider_is_unknown(command: Command) -> None:
    assert "pigeon" not in command("sources").stdout
    refused = command("sources", **SEAL)
    assert refused.exit_code == 3 and "CDP_WEBHOOKS__PIGEON" in refused.error


def people(command: Command) -> list[tuple[str, str]]:
    query = "select email, first_name from profiles.profiles order by email"
    found = json.loads(command("sql", query, "--format", "json").stdout)
    return [(person["email"], person["first_name"]) for person in found]


def post(http: TestClient, flights: list[dict[str, Any]], *, seal: str) -> httpx.Response:
    body = json.dumps(flights).encode()
    signature = hmac.digest(seal.encode(), body, hashlib.sha256).hex()
    return http.post("/webhooks/pigeon", content=body, headers={"X-Seal": signature})
