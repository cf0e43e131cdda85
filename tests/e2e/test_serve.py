"""`cdp serve` as it is run: several workers, told to end while it is busy; and what must not bring it down."""

from __future__ import annotations

import gzip
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cdp.access.request_log import recent_requests
from cdp.live.inbox import depth
from cdp.store import open_store
from tests.benchmarks.kills import MUST_BE_NONE
from tests.cdp.store_urls import BACKENDS, empty_store_url
from tests.e2e.command import cdp, service, serving, token
from tests.e2e.killing import survive, workers_of

on_linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the workers are found in /proc")

SENDERS = 6


def added(home: Path, *arguments: str, **settings: str) -> dict[str, str]:
    answer = cdp(home, "clients", "add", "e2e", *arguments, "--json", **settings)
    assert answer.exit_code == 0, answer.stderr
    credentials: dict[str, str] = json.loads(answer.stdout)
    return credentials


def send_until_it_ends(url: str, key: str, sender: int, acknowledged: list[str]) -> None:
    """Track events one by one; note those that were acknowledged."""
    with httpx.Client(base_url=url, auth=(key, ""), timeout=30) as http:
        number = 0
        while True:
            number += 1
            message_id = f"{sender}-{number}"
            event = {"event": "Seen", "userId": f"user-{sender}", "messageId": message_id}
            try:
                answer = http.post("/v1/track", json=event)
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                acknowledged.append(message_id)


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_acknowledged_events_survive_a_shutdown(backend: str, tmp_path: Path) -> None:
    home = tmp_path / "var"
    home.mkdir()
    with empty_store_url(backend, tmp_path) as store_url:
        settings = {"CDP_STORE_URL": store_url}
        key = added(home, "--write-key", "--source", "web", **settings)["write_key"]
        acknowledged: list[str] = []
        with service(home, "--workers", "2", **settings) as (url, process):
            senders = [
                threading.Thread(target=send_until_it_ends, args=(url, key, number, acknowledged))
                for number in range(SENDERS)
            ]
            for sender in senders:
                sender.start()
            # On a busy machine the first answers take long.
            deadline = time.monotonic() + 30
            while len(acknowledged) < 10 * SENDERS and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            for sender in senders:
                sender.join(30)
        store = open_store(store_url)
        with store.read() as connection:
            taken = depth(connection)
            logged = [request for request in recent_requests(connection, 1_000_000) if request.route == "/v1/track"]
        store.close()
    assert len(acknowledged) > SENDERS
    # An answer that was on its way when the connection closed is no harm; a missing event would be.
    assert len(acknowledged) <= taken <= len(acknowledged) + SENDERS
    assert len(logged) >= len(acknowledged)


@pytest.mark.long
def test_metrics_cover_all_workers(tmp_path: Path) -> None:
    home = tmp_path / "var"
    home.mkdir()
    with serving(home, "--workers", "2") as url:
        for _ in range(20):
            # A connection of its own may reach another worker.
            assert httpx.get(f"{url}/readyz").status_code == 503
        counts = {_count(httpx.get(f"{url}/metrics").text) for _ in range(5)}
    assert counts == {20.0}


def _count(page: str) -> float:
    name = 'cdp_request_seconds_count{method="GET",route="/readyz",status="503"}'
    return next(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))


@pytest.mark.long
def test_a_limit_is_that_of_all_workers(tmp_path: Path) -> None:
    home = tmp_path / "var"
    home.mkdir()
    credentials = added(home, "--scope", "segments:read")
    with serving(home, "--workers", "2", CDP_RATE_LIMIT="20") as url:
        headers = {"Authorization": f"Bearer {token(url, credentials)}"}
        # A connection of its own may reach another worker.
        statuses = [httpx.get(f"{url}/v1/segments", headers=headers).status_code for _ in range(40)]
    assert 17 <= sum(status != 429 for status in statuses) <= 24, statuses


@pytest.mark.long
@on_linux
def test_the_signing_key_is_replaced_without_a_gap(tmp_path: Path) -> None:
    home = tmp_path / "var"
    home.mkdir()
    credentials = added(home, "--scope", "events:write")
    with service(home, "--workers", "2") as (url, process):
        before, during = set(workers_of(process.pid)), list[int]()
        (home / "keys" / "signing.pem").rename(home / "keys" / "retired-a.pem")
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while before.intersection(workers_of(process.pid)):
            assert time.monotonic() < deadline
            # A connection of its own may reach another worker than the one that gave the token.
            headers = {"Authorization": f"Bearer {token(url, credentials)}"}
            event = {"event": "Seen", "userId": "u", "messageId": str(len(during))}
            during.append(httpx.post(f"{url}/v1/track", json=event, headers=headers, timeout=30).status_code)
    assert set(during) == {200}


@pytest.mark.long
@on_linux
def test_workers_are_replaced_one_by_one_without_a_gap(tmp_path: Path) -> None:
    home = tmp_path / "var"
    home.mkdir()
    key = added(home, "--write-key", "--source", "web")["write_key"]
    with service(home, "--workers", "2") as (url, process):
        before, during = set(workers_of(process.pid)), list[int]()
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while before.intersection(workers_of(process.pid)):
            assert time.monotonic() < deadline
            event = {"event": "Seen", "userId": "u", "messageId": str(len(during))}
            during.append(httpx.post(f"{url}/v1/track", json=event, auth=(key, ""), timeout=30).status_code)
        assert process.poll() is None
        assert httpx.get(f"{url}/healthz").status_code == 200
    assert set(during) == {200}
    store = open_store(f"sqlite:///{home / 'store.sqlite'}")
    with store.read() as connection:
        assert depth(connection) == len(during)
    store.close()


@pytest.mark.long
@on_linux
@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_workers_lose_and_double_nothing(backend: str, tmp_path: Path) -> None:
    with empty_store_url(backend, tmp_path) as store_url:
        survived = survive(tmp_path / "var", store_url, kills=1, seed=1)
    assert survived.events > 0
    assert survived.questions > 0
    assert {name: getattr(survived, name) for name in MUST_BE_NONE} == dict.fromkeys(MUST_BE_NONE, 0)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A running service, and a client that may do everything there is to do with profiles and consents."""
    home = tmp_path_factory.mktemp("serve") / "var"
    home.mkdir()
    scopes = ("profiles:read", "decisions:read", "events:write", "consents:write", "consents:read")
    credentials = added(home, *(part for scope in scopes for part in ("--scope", scope)))
    with serving(home) as url, httpx.Client(base_url=url, timeout=60) as http:
        http.headers["Authorization"] = f"Bearer {token(url, credentials)}"
        yield http
        assert http.get("/healthz").status_code == 200


def deep(depth: int) -> bytes:
    return b'{"identifiers": ' + b"[" * depth + b"]" * depth + b"}"


EMAIL = {"type": "email", "value": "ann@example.com"}
BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "gzip bomb": (gzip.compress(b"0" * 200_000_000, 1), {"Content-Encoding": "gzip"}),
    "100 MB": (b'{"identifiers": "' + b"x" * 100_000_000 + b'"}', {}),
    "cut gzip": (gzip.compress(b"{}" * 1_000)[:20], {"Content-Encoding": "gzip"}),
    "invalid UTF-8": (b'{"identifiers": [{"type": "email", "value": \xff\xfe}]}', {}),
    "NaN": (b'{"identifiers": NaN}', {}),
    "1e400": (b'{"identifiers": 1e400}', {}),
    "deep": (deep(100_000), {}),
    "duplicate keys": (b'{"identifiers": [], "identifiers": 1}', {}),
    "lone surrogate": (b'{"identifiers": [{"type": "email", "value": "\\ud800@example.com"}]}', {}),
    "SQL": (json.dumps({"identifiers": [{**EMAIL, "value": "'; drop table profiles; --"}]}).encode(), {}),
    "10,000 characters": (json.dumps({"identifiers": [{**EMAIL, "value": "a" * 10_000}]}).encode(), {}),
    "nothing": (b"", {}),
    "a text": (b'"ann@example.com"', {}),
}
# Tracking answers 200 to any object: an event that cannot be mapped becomes a row of the rejects.
OBJECTS = ("duplicate keys", "SQL", "10,000 characters")
ROUTES = ("/v1/profiles/lookup", "/v1/decisions", "/v1/consents", "/v1/batch", "/v1/track", "/oauth/token")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", BODIES)
def test_bad_input_is_refused_and_harmless(busy: httpx.Client, route: str, name: str) -> None:
    body, headers = BODIES[name]
    try:
        answer = busy.post(route, content=body, headers={"Content-Type": "application/json", **headers})
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        # The service may answer and close before all of it has been sent.
        assert len(body) > 1_000_000
    else:
        if route == "/v1/track" and name in OBJECTS:
            assert answer.json() == {"success": True}
            return
        assert 400 <= answer.status_code < 500, answer.text
        found: dict[str, Any] = answer.json()
        assert found["code"]
        assert found["message"]
        assert "example.com" not in answer.text
        assert "drop table" not in answer.text
    assert busy.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "value", ["'; drop table profiles; --", "x" * 10_000, "%00", "%ff%fe", "../../etc/passwd", "💥"]
)
def test_bad_input_in_a_path_is_not_found(busy: httpx.Client, value: str) -> None:
    for path in (f"/v1/profiles/{value}", f"/v1/spaces/s/collections/users/profiles/email:{value}/traits"):
        answer = busy.get(path)
        assert answer.status_code == 404, answer.text
        assert {"code", "message"} <= answer.json().keys()
