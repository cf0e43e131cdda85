"""Limits, the request log, metrics: what operators rely on."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st

from api.app import create_app
from api.operations.request_log import RequestLog
from api.security.buckets import OwnBuckets, SharedBuckets, create_shared_buckets
from api.security.rate_limit import WINDOW_SECONDS, RateLimit, TooManyRequests
from cdp.access.request_log import LoggedRequest, append_requests, recent_requests
from cdp.errors import Unavailable
from cdp.sending.attempts import Attempt, end, start
from cdp.settings import Settings
from cdp.store import open_store
from tests.api.service import ANN, NOW, Service, assert_problem

REQUEST = LoggedRequest(NOW, "client_x", "GET", "/healthz", 200, 0.5, None)


def test_a_client_beyond_its_limit_is_told_when_to_come_back(tmp_path: Path) -> None:
    service = Service(tmp_path / "home")
    service.publish()
    settings = Settings(home=tmp_path / "home", public_url="https://cdp.example.com", rate_limit=2)
    service.http = TestClient(create_app(settings, clock=service.clock), raise_server_exceptions=False)
    reader, sender = service.headers(service.reader), service.headers(service.sender)
    answers = [service.http.get(f"/v1/profiles/{ANN}", headers=reader) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert_problem(answers[2], 429, "too_many_requests")
    assert 0 < int(answers[2].headers["retry-after"]) <= 30
    # Another client has a bucket of its own, and a refused scope counts as well.
    assert [service.http.get("/v1/segments", headers=sender).status_code for _ in range(3)] == [403, 403, 429]
    assert service.http.get("/healthz").status_code == 200


@given(st.integers(1, 100), st.lists(st.floats(0, 5), max_size=300))
@example(1, [3.15, 1.18, 3.32, 4.0])
@pytest.mark.slow
def test_nobody_gets_more_than_a_full_bucket_and_what_fills_it(limit: int, pauses: list[float]) -> None:
    bucket, now, passed = RateLimit(limit, OwnBuckets()), 0.0, 0
    for pause in pauses:
        now += pause
        try:
            bucket.take("one", now)
        except TooManyRequests as error:
            now += int(error.headers["Retry-After"])
            bucket.take("one", now)  # as promised
        passed += 1
    assert passed <= limit + now * limit / WINDOW_SECONDS + 1e-6


def shared(path: Path) -> SharedBuckets:
    if not path.exists():
        create_shared_buckets(path)
    return SharedBuckets(path)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1), st.floats(0, 30), st.integers(1, 4)), max_size=60))
def test_workers_that_share_buckets_count_as_one(tmp_path_factory: pytest.TempPathFactory, calls: list[Any]) -> None:
    path = tmp_path_factory.mktemp("shared") / "buckets"
    alone, workers = RateLimit(5, OwnBuckets()), [RateLimit(5, shared(path)) for _ in range(2)]
    now = 0.0
    for client, worker, pause, cost in calls:
        now += pause
        assert taken(workers[worker], client, now, cost) == taken(alone, client, now, cost)


def taken(limit: RateLimit, client: str, now: float, cost: int) -> dict[str, str]:
    try:
        return limit.take(client, now, cost)
    except TooManyRequests as error:
        return dict(error.headers)


def test_processes_that_share_buckets_let_no_request_more_through(tmp_path: Path) -> None:
    path = tmp_path / "buckets"
    create_shared_buckets(path)
    with ProcessPoolExecutor(4) as pool:
        passed = sum(pool.map(take_many, [path] * 4))
    assert passed == 500


def take_many(path: Path) -> int:
    """The number of requests that pass, of a thousand at one moment."""
    limit = RateLimit(500, SharedBuckets(path))
    return sum("Retry-After" not in taken(limit, "one", 1.0, 1) for _ in range(1_000))


def test_more_clients_than_places_are_served(tmp_path: Path) -> None:
    limit = RateLimit(3, shared(tmp_path / "buckets"))
    for number in range(40_000):
        limit.take(f"client {number}", number / 1_000)
    assert limit.take("client 39999", 40.0)["RateLimit-Remaining"] == "1"


def test_requests_are_in_the_log_once_the_service_has_ended(service: Service) -> None:
    with TestClient(service.app) as http:
        headers = service.headers(service.reader)
        http.get(f"/v1/profiles/{ANN}", headers=headers)
        http.get("/v1/profiles/nobody", headers=headers)
        http.request("BREW", "/v1/people/ann@example.com")
    store = open_store(service.settings.effective_store_url)
    with store.read() as connection:
        found = recent_requests(connection, 3)[::-1]
    store.close()
    reader = service.reader.client_id
    assert [(r.client_id, r.method, r.route, r.status, r.error_code) for r in found] == [
        (reader, "GET", "/v1/profiles/{profile_id}", 200, None),
        (reader, "GET", "/v1/profiles/{profile_id}", 404, "not_found"),
        (None, "other", None, 404, "not_found"),
    ]
    assert all(r.requested_at == NOW and r.milliseconds >= 0 for r in found)


def test_a_running_service_keeps_its_request_log_within_bounds(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdp.access.housekeeping.REQUESTS_KEPT", 3)
    with service.store.write() as connection:
        append_requests(connection, [REQUEST] * 9)
    with TestClient(service.app):
        deadline = time.monotonic() + 20
        while len(kept := _requests(service)) > 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert kept == [REQUEST] * 3


def _requests(service: Service) -> list[LoggedRequest]:
    with service.store.read() as connection:
        return recent_requests(connection, 100)


def test_a_store_out_of_reach_costs_no_request_and_its_log_comes_later(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RequestLog(service.store, _Quiet())  # type: ignore[arg-type]
    log.add(REQUEST)
    with monkeypatch.context() as patch:
        patch.setattr("cdp.store.engine.Store.write", _out_of_reach)
        log.write()
    log.add(REQUEST)
    log.write()
    log.write()
    with service.store.read() as connection:
        assert recent_requests(connection, 9) == [REQUEST, REQUEST]


def _out_of_reach(_store: object) -> None:
    raise Unavailable("locked")


class _Quiet:
    def warning(self, event: str, **details: object) -> None:
        logging.getLogger(__name__).debug("%s %s", event, details)


def test_metrics_count_by_route_and_name_nobody(service: Service) -> None:
    service.get(f"/v1/profiles/{ANN}")
    service.look_up(("email", "ann@example.com"))
    service.http.get("/v1/people/ann@example.com")
    response = service.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    lines = response.text.splitlines()
    count = 'cdp_request_seconds_count{method="GET",route="/v1/profiles/{profile_id}",status="200"} 1.0'
    assert count in lines
    assert 'cdp_request_seconds_count{method="GET",route="none",status="404"} 1.0' in lines
    assert "cdp_inbox_depth 0.0" in lines
    assert "cdp_published_run_age_seconds 0.0" in lines
    assert not any(secret in response.text for secret in ("ann@", ANN, service.reader.client_id))


def test_metrics_show_messages_that_wait_and_calls_of_providers(service: Service) -> None:
    order = {"order_id": "A-10042", "tracking_url": "https://post.example.com/t/123"}
    message = {"to": {"profile_id": ANN}, "template": "order_shipped", "data": order, "channels": ["email"]}
    service.http.post("/v1/messages", json=message, headers=service.headers(service.everything))
    with service.store.write() as connection:
        start(connection, [Attempt("msg_1", 1, "sendgrid", NOW)])
        end(connection, [Attempt("msg_1", 1, "sendgrid", NOW, NOW, "accepted")])
    lines = service.http.get("/metrics").text.splitlines()
    assert 'cdp_work_items{kind="send",state="due"} 1.0' in lines
    assert 'cdp_work_overdue_seconds{kind="send"} 0.0' in lines
    assert 'cdp_send_attempts{outcome="accepted",provider="sendgrid"} 1.0' in lines
