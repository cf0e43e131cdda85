"""A request asked again under its key, dry runs, and what was reported of a decision's message."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from cdp.decision.tables import decisions
from cdp.idempotency import forget_old
from cdp.idempotency.tables import idempotency_keys
from tests.api.decision.test_decisions import ADDRESSES, document, grant, publish
from tests.api.service import ANN, NOW, Service, assert_problem

QUESTION = {"profile_id": ANN, "purpose": "marketing", "candidates": ["email"]}


@pytest.fixture
def ann(empty_service: Service) -> Service:
    publish(empty_service, document())
    grant(empty_service, *ADDRESSES)
    return empty_service


def ask(service: Service, body: Any = QUESTION, key: str | None = None, **more: Any) -> httpx.Response:
    headers = service.headers(service.sender) | ({"Idempotency-Key": key} if key is not None else {})
    return service.http.post("/v1/decisions", json=body, headers=headers, **more)


def logged(service: Service) -> int:
    with service.store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(decisions)) or 0


def test_a_repeat_gets_the_first_answer_and_no_second_decision(ann: Service) -> None:
    first = ask(ann, key="k1")
    assert "idempotent-replayed" not in first.headers
    for _ in range(8):
        ann.clock.advance(seconds=30)
        again = ask(ann, key="k1")
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotent-replayed"] == "true"
    assert logged(ann) == 1
    assert ask(ann, key="k2").json()["decision_id"] != first.json()["decision_id"]


def test_without_a_key_each_request_is_a_decision(ann: Service) -> None:
    assert ask(ann).json()["decision_id"] != ask(ann).json()["decision_id"]


def test_a_key_used_for_another_request_is_refused(ann: Service) -> None:
    ask(ann, key="k1")
    refused = ask(ann, QUESTION | {"candidates": ["sms"]}, key="k1")
    assert_problem(refused, 422, "idempotency_key_reused")
    assert logged(ann) == 1


def test_keys_of_clients_are_their_own(ann: Service) -> None:
    other = ann.add_client("other", "decisions:read")
    ask(ann, key="k1")
    headers = ann.headers(other) | {"Idempotency-Key": "k1"}
    answer = ann.http.post("/v1/decisions", json=QUESTION | {"candidates": ["sms"]}, headers=headers)
    assert answer.status_code == 200
    assert logged(ann) == 2


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "k\t"])
def test_an_unusable_key_is_refused(ann: Service, key: str) -> None:
    assert_problem(ask(ann, key=key), 400, "invalid_idempotency_key")


def test_a_large_batch_is_repeated_as_a_whole(ann: Service) -> None:
    batch = {"requests": [QUESTION] * 120}
    first, again = ask(ann, batch, key="k1"), ask(ann, batch, key="k1")
    assert again.content == first.content
    assert logged(ann) == 120
    assert_problem(
        ask(ann, {"requests": [QUESTION] * 119 + [QUESTION | {"urgency": "high"}]}, key="k1"),
        422,
        "idempotency_key_reused",
    )


def test_many_at_once_under_one_key_are_one_decision(ann: Service) -> None:
    ann.headers(ann.sender)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(ann, key="k1"), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers].count(None) == 1
    assert logged(ann) == 1


def test_a_key_is_kept_for_a_day_and_holds_no_address(ann: Service) -> None:
    ask(ann, key="k1")
    with ann.store.write() as connection:
        assert "ann@example.com" not in repr(connection.execute(sa.select(idempotency_keys)).all())
        assert forget_old(connection, NOW, 10) == 0
        ann.clock.advance(hours=25)
        assert forget_old(connection, ann.clock.now, 10) == 1


def test_a_dry_run_decides_and_leaves_no_trace(ann: Service) -> None:
    rehearsed = [ask(ann, params={"dry_run": "true"}).json() for _ in range(3)]
    assert logged(ann) == 0
    real = ask(ann).json()
    for one in rehearsed:
        assert one["decision_id"] is None
        assert {**one, "decision_id": 1, "unsubscribe": 1} == {**real, "decision_id": 1, "unsubscribe": 1}


def read(service: Service, decision_id: str) -> httpx.Response:
    return service.http.get(f"/v1/decisions/{decision_id}", headers=service.headers(service.sender))


def report(service: Service, decision_id: str, outcome: str, client: Any = None) -> httpx.Response:
    headers = service.headers(client or service.sender)
    return service.http.post(f"/v1/decisions/{decision_id}/outcome", json={"outcome": outcome}, headers=headers)


def test_what_was_not_sent_gives_its_cap_back(ann: Service) -> None:
    once_a_day = [ask(ann).json() for _ in range(3)]
    assert len({one["send_at"] for one in once_a_day}) > 1
    for one in once_a_day:
        assert report(ann, one["decision_id"], "not_sent").json()["outcome"] == "not_sent"
    assert ask(ann).json()["send_at"] == once_a_day[0]["send_at"]


def test_what_was_sent_counts_and_cannot_be_taken_back(ann: Service) -> None:
    decision = ask(ann).json()
    for _ in range(2):
        assert report(ann, decision["decision_id"], "sent").json()["outcome"] == "sent"
    assert_problem(report(ann, decision["decision_id"], "not_sent"), 409, "outcome_refused")


def test_what_turned_out_to_be_sent_counts_again(ann: Service) -> None:
    decision_id = ask(ann).json()["decision_id"]
    report(ann, decision_id, "not_sent")
    assert report(ann, decision_id, "sent").json()["outcome"] == "sent"


def test_a_decision_can_be_read_as_it_was_made(ann: Service) -> None:
    made = ask(ann).json()
    found = read(ann, made["decision_id"]).json()
    assert found == {**made, "purpose": "marketing", "topic": None, "outcome": None, "outcome_at": None}


@pytest.mark.parametrize("decision_id", ["dec_" + "0" * 26, "dec_" + "Z" * 26])
def test_an_unknown_decision_is_not_found(ann: Service, decision_id: str) -> None:
    assert_problem(read(ann, decision_id), 404, "not_found")
    assert_problem(report(ann, decision_id, "sent"), 404, "not_found")


def test_only_the_client_that_asked_reports(ann: Service) -> None:
    decision_id = ask(ann).json()["decision_id"]
    other = ann.add_client("other", "decisions:read")
    assert_problem(report(ann, decision_id, "not_sent", other), 404, "not_found")


def test_a_refusal_has_no_outcome(ann: Service) -> None:
    refused = ask(ann, QUESTION | {"profile_id": "prf_" + "Y" * 26}).json()
    assert_problem(report(ann, refused["decision_id"], "sent"), 409, "outcome_refused")


def test_a_consent_is_recorded_once(ann: Service) -> None:
    headers = ann.headers(ann.everything) | {"Idempotency-Key": "c1"}
    body = {
        "identifiers": [{"type": "email", "value": "ann@example.com"}],
        "channel": "email",
        "purpose": "marketing",
        "state": "withdrawn",
    }
    first = ann.http.post("/v1/consents", json=body, headers=headers)
    ann.clock.advance(seconds=30)
    again = ann.http.post("/v1/consents", json=body, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = ann.http.post("/v1/consents", json=body | {"state": "granted"}, headers=headers)
    assert_problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize(("first", "then"), [(100, 50), (100, 150), (60, 59)])
def test_part_of_a_request_is_another_request(ann: Service, first: int, then: int) -> None:
    assert ask(ann, [QUESTION] * first, key="k1").status_code == 200
    assert_problem(ask(ann, [QUESTION] * then, key="k1"), 422, "idempotency_key_reused")
    assert logged(ann) == first
