from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.sending.test_sandbox import work
from tests.api.service import Service, assert_problem
from tests.api.warehouse import publish_warehouse


@pytest.fixture
def published(service: Service) -> Service:
    publish_warehouse(service.settings)
    return service


def post(service: Service, path: str = "", **body: Any) -> httpx.Response:
    headers = service.headers(service.everything)
    return service.http.post(f"/v1/broadcasts{path}", json=body or None, headers=headers)


def segment_of(service: Service) -> str:
    headers = service.headers(service.everything)
    found = service.http.get("/v1/segments", headers=headers).json()["segments"]
    name: str = next(one["name"] for one in found if one["profile_count"])
    return name


def test_a_broadcast_is_started_and_followed(published: Service) -> None:
    segment = segment_of(published)
    response = post(published, segment=segment, template="welcome", rate=600, holdout=0.1)
    assert response.status_code == 202
    started = response.json()
    assert (started["state"], started["purpose"], started["rate"]) == ("gathering", "marketing", 600)
    for _ in range(3):
        work(published)
        published.clock.advance(minutes=1)
    headers = published.headers(published.everything)
    found = published.http.get(f"/v1/broadcasts/{started['broadcast_id']}", headers=headers).json()
    assert found["state"] == "finished" and found["progress"]["waiting"] == 0
    assert sum(found["progress"].values()) >= 1
    listed = published.http.get("/v1/broadcasts", headers=headers).json()["broadcasts"]
    assert [one["broadcast_id"] for one in listed] == [started["broadcast_id"]]


def test_a_request_that_is_repeated_under_its_key_starts_one(published: Service) -> None:
    headers = {**published.headers(published.everything), "Idempotency-Key": "spring-1"}
    body = {"segment": segment_of(published), "template": "welcome"}

    def ask(**more: Any) -> httpx.Response:
        return published.http.post("/v1/broadcasts", json={**body, **more}, headers=headers)

    first = ask()
    work(published)
    again = ask()
    assert (again.status_code, again.json()) == (202, first.json())
    assert [one.headers.get("Idempotent-Replayed") for one in (first, again)] == [None, "true"]
    assert_problem(ask(rate=10), 422, "idempotency_key_reused")
    listed = published.http.get("/v1/broadcasts", headers=headers).json()["broadcasts"]
    assert [one["broadcast_id"] for one in listed] == [first.json()["broadcast_id"]]


def test_it_is_paused_resumed_and_cancelled(published: Service) -> None:
    broadcast_id = post(published, segment=segment_of(published), template="welcome").json()["broadcast_id"]
    states = [post(published, f"/{broadcast_id}/{what}").json()["state"] for what in ("pause", "resume", "cancel")]
    assert states == ["paused", "gathering", "cancelled"]
    assert_problem(post(published, f"/{broadcast_id}/resume"), 409, "broadcast_ended")


WRONG = (
    # the request, words of the problem
    ({"segment": "no_such", "template": "welcome"}, "unknown segment"),
    ({"template": "no_such"}, "unknown template"),
    ({"template": "order_shipped"}, "data.order_id is missing"),
    ({"template": "welcome", "purpose": "advertising"}, "unknown purpose"),
    ({"template": "welcome", "holdout": 1.0}, ""),
    ({"template": "welcome", "rate": 0}, ""),
)


@pytest.mark.parametrize(("wrong", "words"), WRONG)
def test_what_is_wrong_starts_nothing(published: Service, wrong: dict[str, Any], words: str) -> None:
    response = post(published, **{"segment": segment_of(published), **wrong})
    assert response.status_code == 422 and words in response.json()["message"]
    headers = published.headers(published.everything)
    assert published.http.get("/v1/broadcasts", headers=headers).json() == {"broadcasts": []}
