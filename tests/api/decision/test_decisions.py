"""Decisions over HTTP: single and batch requests, invalid bodies, scopes, the log, acknowledged opt-outs."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pytest
import sqlalchemy as sa

from cdp.access.clients import NewClient, add_client
from cdp.consent import Statement, Suppression, contact_point_id
from cdp.consent.ledger import record, suppress
from cdp.decision.log import replay
from cdp.decision.tables import decisions
from cdp.people.document import blank_document
from cdp.people.live_layer import LiveEvent, LiveIdentifier, LiveMember, add
from cdp.people.published import PublishedChanges, apply_publish
from tests.api.service import ANN, BOB, DOCUMENT, NOBODY, NOW, OLD, Service, assert_problem

EMAIL, PHONE, DEVICE = ("email", "ann@example.com"), ("phone", "+14155550100"), ("device_token", "dQw4w9WgXcQ")
ADDRESSES = {"email": EMAIL, "sms": PHONE, "whatsapp": PHONE, "push": DEVICE}
POINT = contact_point_id(*EMAIL)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def document(profile_id: str = ANN, *identifiers: tuple[str, str], **parts: Any) -> dict[str, Any]:
    """A profile document with these identifiers."""
    held = [
        {
            "type": kind,
            "value": value,
            "quality": "unique",
            "sources": ["crm"],
            "last_seen_at": DOCUMENT["last_seen_at"],
        }
        for kind, value in identifiers or (EMAIL, PHONE, DEVICE)
    ]
    metrics = blank_document(profile_id, DOCUMENT["last_seen_at"])["metrics"]
    return {**DOCUMENT, "profile_id": profile_id, "identifiers": held, "preferences": [], "metrics": metrics, **parts}


def publish(service: Service, *documents: dict[str, Any]) -> None:
    rows = [{"profile_id": one["profile_id"], "document": json.dumps(one), "document_hash": "h"} for one in documents]
    with service.store.write() as connection:
        apply_publish(connection, PublishedChanges(NOW, profiles_upsert=pl.DataFrame(rows)))


def grant(service: Service, *channels: str, state: str = "granted", at: datetime = NOW - DAY) -> None:
    statements = [
        Statement(contact_point_id(*ADDRESSES[one]), ADDRESSES[one][0], one, "marketing", state, at, "test", "person")
        for one in channels
    ]
    with service.store.write() as connection:
        record(connection, statements, at)


@pytest.fixture
def ann(service: Service) -> Service:
    """Ann can be reached by e-mail, SMS and push, and has agreed to all three."""
    publish(service, document())
    grant(service, "email", "sms", "push")
    return service


def ask(service: Service, body: Any = None, **asked: Any) -> httpx.Response:
    question = {"profile_id": ANN, "purpose": "marketing", "candidates": ["email"], **asked}
    named = {name: value for name, value in question.items() if value is not None}
    return service.http.post("/v1/decisions", json=named if body is None else body, headers=headers(service))


def headers(service: Service) -> dict[str, str]:
    return service.headers(service.sender)


def decided(service: Service, **asked: Any) -> dict[str, Any]:
    response = ask(service, **asked)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def last_verdict(answer: dict[str, Any]) -> tuple[str, str, str]:
    reason = answer["reasons"][-1]
    return reason["gate"], reason["verdict"], reason["code"]


def test_an_allowed_message_has_channel_address_time_and_reasons(ann: Service) -> None:
    response = ask(ann)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    answer = response.json()
    decision_id, reasons = answer.pop("decision_id"), answer.pop("reasons")
    assert re.fullmatch("dec_[0-9A-HJKMNP-TV-Z]{26}", decision_id)
    assert [reason["gate"] for reason in reasons] == [
        *("resolvable", "reachable", "suppression", "consent", "quiet_hours", "frequency_cap")
    ]
    assert {reason["verdict"] for reason in reasons} == {"pass"}
    assert {name for reason in reasons for name in reason} == {"gate", "channel", "verdict", "code", "evidence_id"}
    assert answer.pop("scores")["email"].keys() == {"mean", "low", "high", "n", "prior"}
    assert answer.pop("unsubscribe").keys() == {"url", "headers"}
    assert answer == {
        **{"allowed": True, "channel": "email", "contact_point_id": POINT, "address": "ann@example.com"},
        **{"send_at": "2026-07-01T12:00:00Z", "expires_at": "2026-07-01T13:00:00Z", "as_of": "2026-07-01T12:00:00Z"},
        **{"fallbacks": [], "policy_version": "1", "offer": None, "supersedes": []},
    }


def test_the_unsubscribe_link_of_a_decision_works(ann: Service) -> None:
    link = decided(ann, candidates=["email"])["unsubscribe"]
    assert link["headers"] == {
        "List-Unsubscribe": f"<{link['url']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    path = link["url"].removeprefix("https://cdp.example.com")
    assert ann.http.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    after = decided(ann, candidates=["email"])
    assert (after["allowed"], after["unsubscribe"], last_verdict(after)[:2]) == (False, None, ("consent", "fail"))


def test_messages_without_consent_have_no_link(ann: Service) -> None:
    assert decided(ann, purpose="transactional", candidates=["email"])["unsubscribe"] is None


def test_channels_are_ranked_and_the_rest_are_fallbacks(ann: Service) -> None:
    rates = {"email": 0.1, "sms": 0.4, "push": 0.2}
    preferences = [
        {
            **{"channel": channel, "reachable": True, "received_count": 1000, "response_count": 0, "prior": 0.1},
            **{"decayed_received": 1000.0, "decayed_responses": 1000 * rate},
        }
        for channel, rate in rates.items()
    ]
    publish(ann, document(preferences=preferences))
    answer = decided(ann, candidates=["email", "sms", "push", "whatsapp"])
    assert answer["channel"] == "sms"
    assert [(one["channel"], one["when"]) for one in answer["fallbacks"]] == [
        ("push", "failed"),
        ("email", "not_delivered"),
    ]
    assert sorted(answer["scores"], key=lambda channel: -answer["scores"][channel]["mean"]) == ["sms", "push", "email"]
    assert answer["scores"]["sms"]["mean"] == pytest.approx(401 / 1010, abs=1e-6)


PEOPLE = [
    # how the person is identified, the code of the answer
    ({"profile_id": ANN}, "known"),
    ({"profile_id": OLD}, "merged"),
    ({"profile_id": None, "identifiers": [{"type": "email", "value": " Ann@Example.COM"}]}, "known"),
    ({"profile_id": None, "identifiers": [{"type": "device_token", "value": DEVICE[1]}]}, "known"),
    (
        *({"profile_id": None, "identifiers": [{"type": kind, "value": value} for kind, value in (PHONE, EMAIL)]},),
        "known",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("person", "code"), PEOPLE)
def test_people_are_identified_by_id_or_identifiers(ann: Service, person: dict[str, Any], code: str) -> None:
    answer = decided(ann, **person)
    assert answer["allowed"]
    assert answer["reasons"][0] == {
        **{"gate": "resolvable", "channel": None, "verdict": "pass", "code": code, "evidence_id": ANN}
    }


STRANGERS = [
    {"profile_id": NOBODY},
    {"profile_id": "nobody"},
    {"profile_id": None, "identifiers": [{"type": "email", "value": "nobody@example.com"}]},
    {"profile_id": None, "identifiers": [{"type": "email", "value": "no address"}]},
]


@pytest.mark.parametrize("person", STRANGERS)
def test_an_unknown_person_is_refused_with_a_reason(ann: Service, person: dict[str, Any]) -> None:
    answer = decided(ann, **person)
    assert (answer["allowed"], answer["channel"], answer["send_at"], answer["address"]) == (False, None, None, None)
    assert last_verdict(answer) == ("resolvable", "fail", "unknown_person")


def test_a_person_seen_since_the_last_run_is_known(ann: Service) -> None:
    new, point = "prf_" + "N" * 26, ("email", "new@example.com")
    with ann.store.write() as connection:
        member = LiveMember("o1", new, json.dumps({"source": "web", "email": point[1]}), NOW, 1)
        add(connection, [member], [LiveIdentifier(*point, new, 1)], [])
        granted = Statement(contact_point_id(*point), "email", "email", "marketing", "granted", NOW, "test", "person")
        record(connection, [granted], NOW)
    by_address = decided(ann, profile_id=None, identifiers=[{"type": "email", "value": "new@example.com"}])
    assert (by_address["allowed"], by_address["address"]) == (True, "new@example.com")
    assert by_address["reasons"][0]["evidence_id"] == new
    assert decided(ann, profile_id=new)["allowed"]


def test_an_address_seen_since_the_last_run_is_usable(ann: Service) -> None:
    publish(ann, document(ANN, PHONE))
    assert last_verdict(decided(ann)) == ("reachable", "fail", "no_address")
    with ann.store.write() as connection:
        add(connection, [], [LiveIdentifier(*EMAIL, ANN, 1)], [])
    assert decided(ann)["address"] == "ann@example.com"


def test_a_message_sent_since_the_last_run_counts_against_caps_once(ann: Service) -> None:
    sent = [LiveEvent(f"event-{kind}", ANN, "sms", kind, "SM1", NOW - HOUR, False, 1) for kind in ("sent", "delivered")]
    with ann.store.write() as connection:
        add(connection, [], [], sent)
    answer = decided(ann, candidates=["sms"])
    assert (answer["send_at"], last_verdict(answer)) == (
        "2026-07-02T11:00:00Z",
        ("frequency_cap", "pass", "put_off_by_sms_per_day"),
    )


def test_a_published_message_counts_against_caps(ann: Service) -> None:
    message = {"channel": "sms", "message_id": "msg_1", "sent_at": "2026-07-01T11:00:00.000Z"}
    publish(ann, document(recent_messages=[message | {"is_received": True, "is_answered": False}]))
    answer = decided(ann, candidates=["sms"])
    assert (answer["send_at"], answer["reasons"][-1]["evidence_id"]) == ("2026-07-02T11:00:00Z", "msg_1")


def test_a_click_counts_before_the_next_run(ann: Service) -> None:
    before = decided(ann)["scores"]["email"]
    events = [LiveEvent(f"event-{kind}", ANN, "email", kind, "m1", NOW, False, 1) for kind in ("delivered", "clicked")]
    with ann.store.write() as connection:
        add(connection, [], [], events)
    after = decided(ann)["scores"]["email"]
    assert after["mean"] == pytest.approx((1 + 10 * before["prior"]) / 11, abs=1e-6)
    assert (before["n"], after["n"]) == (0, 1)


def test_a_machine_click_does_not_count(ann: Service) -> None:
    before = decided(ann)["scores"]
    with ann.store.write() as connection:
        add(connection, [], [], [LiveEvent("event", ANN, "email", "clicked", "m1", NOW, True, 1)])
    assert decided(ann)["scores"] == before


def test_a_suppression_overrides_a_grant(ann: Service) -> None:
    with ann.store.write() as connection:
        suppress(connection, [Suppression(POINT, "email", "complaint", "test", NOW, None, "cns_1")], NOW)
    for purpose in ("marketing", "transactional"):
        answer = decided(ann, purpose=purpose)
        assert (answer["allowed"], last_verdict(answer)) == (False, ("suppression", "fail", "complaint"))
        assert answer["reasons"][-1]["evidence_id"] == "cns_1"


def test_decisions_count_against_caps_before_their_messages_are_sent(ann: Service) -> None:
    times = [decided(ann, candidates=["sms"])["send_at"] for _ in range(3)]
    assert times == ["2026-07-01T12:00:00Z", "2026-07-02T12:00:00Z", "2026-07-03T12:00:00Z"]


def test_requests_in_one_batch_share_the_caps(ann: Service) -> None:
    question = {"profile_id": ANN, "purpose": "marketing", "candidates": ["sms"]}
    answers = ask(ann, [question] * 3).json()
    assert [answer["send_at"] for answer in answers] == [f"2026-07-0{day}T12:00:00Z" for day in (1, 2, 3)]


def test_concurrent_requests_share_the_caps(ann: Service) -> None:
    sender = headers(ann)
    question = {"profile_id": ANN, "purpose": "marketing", "candidates": ["sms"], "deadline": "2026-07-01T13:00:00Z"}

    def one(_: int) -> bool:
        allowed: bool = ann.http.post("/v1/decisions", json=question, headers=sender).json()["allowed"]
        return allowed

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(40))) == 1


def test_a_request_during_a_write_is_consistent(ann: Service) -> None:
    with ThreadPoolExecutor(1) as pool:
        with ann.store.write() as connection:
            asking = pool.submit(decided, ann, candidates=["sms"])
            time.sleep(0.3)
            record(
                connection,
                [Statement(contact_point_id(*PHONE), "phone", "sms", "marketing", "withdrawn", NOW, "test", "person")],
                NOW,
            )
        answer = asking.result(10)
    # In SQLite a decision waits for the writer and sees the withdrawal; in PostgreSQL it sees the state before.
    assert answer["allowed"] is not ann.store.is_embedded


SHAPES = [
    (lambda questions: questions, lambda answer: answer),
    (lambda questions: {"requests": questions}, lambda answer: answer["decisions"]),
]


@pytest.mark.parametrize(("request_body", "answers_in"), SHAPES, ids=["list", "requests"])
@pytest.mark.slow
def test_up_to_a_thousand_requests_are_answered_in_order(ann: Service, request_body: Any, answers_in: Any) -> None:
    publish(ann, document(), document(BOB, ("email", "bob@example.com")))
    people = [(ANN, BOB, NOBODY)[number % 3] for number in range(1_000)]
    questions = [{"profile_id": one, "purpose": "transactional", "candidates": ["email"]} for one in people]
    answers = answers_in(ask(ann, request_body(questions)).json())
    addresses = {ANN: "ann@example.com", BOB: "bob@example.com", NOBODY: None}
    assert [answer["address"] for answer in answers] == [addresses[one] for one in people]
    assert len({answer["decision_id"] for answer in answers}) == 1_000


ONE = {"profile_id": ANN, "purpose": "marketing", "candidates": ["email"]}
INVALID = [
    {},
    [],
    "ann@example.com",
    None,
    {"requests": []},
    {"requests": [ONE] * 1_001},
    [ONE] * 1_001,
    {"requests": [ONE], "more": 1},
    {**ONE, "profile_id": None},
    {**ONE, "profile_id": "\0ann@example.com"},
    {**ONE, "identifiers": [{"type": "email", "value": "ann@example.com"}]},
    {**ONE, "profile_id": None, "identifiers": []},
    {name: value for name, value in ONE.items() if name != "purpose"},
    {**ONE, "candidates": []},
    {**ONE, "candidates": ["web"]},
    {**ONE, "candidates": ["ann@example.com"]},
    {**ONE, "candidates": "email"},
    {**ONE, "at": "tomorrow"},
    {**ONE, "at": "2026-07-01T12:00:00"},
    {**ONE, "at": "9999-12-31T23:59:59Z"},
    {**ONE, "deadline": 5},
    {**ONE, "urgency": "ann@example.com"},
    {**ONE, "topic": "\0"},
    {**ONE, "dead_line": "2026-07-01T12:00:00Z"},
    [ONE, {**ONE, "urgency": "now"}],
]


@pytest.mark.parametrize("body", INVALID, ids=range(len(INVALID)))
def test_an_invalid_body_is_refused_without_repeating_it(ann: Service, body: Any) -> None:
    response = ann.http.post("/v1/decisions", json=body, headers=headers(ann))
    assert_problem(response, 422, "invalid_request")


def test_an_unknown_purpose_is_refused(ann: Service) -> None:
    response = ask(ann, purpose="surveys")
    assert_problem(response, 422, "input_refused")
    assert "marketing, transactional" in response.json()["message"]


def test_the_scope_decisions_read_is_required(ann: Service) -> None:
    assert_problem(ann.http.post("/v1/decisions", json=ONE), 401, "unauthorised")
    other = ann.http.post("/v1/decisions", json=ONE, headers=ann.headers(ann.reader))
    assert_problem(other, 403, "insufficient_scope")


@pytest.mark.slow
def test_the_documentation_has_requests_and_responses(service: Service) -> None:
    route = service.app.openapi()["paths"]["/v1/decisions"]["post"]
    assert route["requestBody"]["required"]
    assert {"200", "401", "403", "413", "422", "503"} <= route["responses"].keys()


def logged(service: Service) -> Iterator[Any]:
    with service.store.read() as connection:
        yield from connection.execute(sa.select(decisions).order_by(decisions.c.decision_id))


def test_a_decision_is_logged_without_addresses_and_can_be_replayed(ann: Service) -> None:
    answers = [
        decided(ann, candidates=["email", "sms", "push", "whatsapp"], topic="news", urgency="high"),
        decided(ann, profile_id=None, identifiers=[{"type": "email", "value": "ann@example.com"}]),
        decided(ann, profile_id=None, identifiers=[{"type": "email", "value": "nobody@example.com"}]),
    ]
    rows = list(logged(ann))
    assert {row.decision_id for row in rows} == {answer["decision_id"] for answer in answers}
    assert {row.client_id for row in rows} == {ann.sender.client_id}
    text = " ".join(str(row) for row in rows)
    for address in ("example.com", "4155550100", DEVICE[1]):
        assert address not in text
    grant(ann, "email", "sms", "push", state="withdrawn", at=NOW)
    with ann.store.read() as connection:
        for answer in answers:
            found = replay(connection, answer["decision_id"])
            assert found.again == found.logged
            assert found.logged.allowed is answer["allowed"]
            assert found.logged.contact_point_id == answer["contact_point_id"]


def consenting(service: Service) -> NewClient:
    with service.store.write() as connection:
        return add_client(connection, "preference-centre", ["consents:write"], NOW)


TRIALS = 100


@pytest.mark.slow
def test_an_acknowledged_opt_out_applies_to_the_next_request(service: Service) -> None:
    """Each trial opts out an address of its own and requests a decision at once; before, it was allowed."""
    people = [(f"prf_{number:026}", ("email", f"person{number}@example.com")) for number in range(TRIALS)]
    publish(service, *(document(profile_id, point) for profile_id, point in people))
    statements = [
        Statement(contact_point_id(*point), "email", "email", "marketing", "granted", NOW - DAY, "test", "person")
        for _, point in people
    ]
    with service.store.write() as connection:
        record(connection, statements, NOW - DAY)
    questions = [{"profile_id": one, "purpose": "marketing", "candidates": ["email"]} for one, _ in people]
    assert all(answer["allowed"] for answer in ask(service, questions).json())
    preference_centre, sender = service.headers(consenting(service)), headers(service)
    barrier = threading.Barrier(8)

    def trial(number: int) -> bool:
        if number < barrier.parties:
            barrier.wait()
        kind, value = people[number][1]
        statement = {"identifiers": [{"type": kind, "value": value}], "channel": "email", "purpose": "marketing"}
        recorded = service.http.post(
            "/v1/consents", json={**statement, "state": "withdrawn"}, headers=preference_centre
        )
        assert recorded.status_code == 201, recorded.text
        answer = service.http.post("/v1/decisions", json=questions[number], headers=sender).json()
        allowed: bool = answer["allowed"]
        assert last_verdict(answer) == ("consent", "fail", "withdrawn")
        return allowed

    with ThreadPoolExecutor(barrier.parties) as pool:
        assert sum(pool.map(trial, range(TRIALS))) == 0
