"""Looking people up and reading their profiles."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cdp import fields
from cdp.metrics.catalogue import EMPTY_WINDOWS
from cdp.people.identifiers import STRENGTH
from tests.api.service import ANN, BOB, DOCUMENT, NOBODY, OLD, Service, assert_problem
from tests.cdp.store_urls import on_sqlite

CORE = {key: DOCUMENT[key] for key in ("profile_id", "traits", "created_at", "last_seen_at")}


def test_identifier_types_are_the_projects() -> None:
    assert set(fields.IDENTIFIER_TYPES) == set(STRENGTH)


def test_a_profile_shows_its_core_traits(lasting: Service) -> None:
    response = lasting.get(f"/v1/profiles/{ANN}")
    assert (response.status_code, response.json()) == (200, CORE)
    assert response.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("include", "keys"),
    [
        ("", set()),
        ("traits", {"custom_traits", "trait_evidence"}),
        ("segments", {"segments"}),
        ("preferences", {"preferences"}),
        ("metrics", {"metrics"}),
        ("identity", {"identity", "identifiers"}),
        ("segments, metrics,segments", {"segments", "metrics"}),
    ],
)
def test_include_adds_parts(lasting: Service, include: str, keys: set[str]) -> None:
    found = lasting.get(f"/v1/profiles/{ANN}", include=include).json()
    expected = CORE | {key: DOCUMENT[key] for key in keys}
    if "metrics" in keys:
        # A document leaves out the windows in which nothing happened; an answer names them.
        expected["metrics"] = EMPTY_WINDOWS | DOCUMENT["metrics"]
    assert found == expected


def test_questions_are_of_what_is_missing(lasting: Service) -> None:
    found = lasting.get(f"/v1/profiles/{ANN}", include="questions").json()
    assert found["next_questions"] == [{"trait": "street", "reason": "shows where to deliver"}]
    missing = [one["trait"] for one in found["trait_status"] if one["status"] == "missing"]
    assert missing == ["street", "region"]


@on_sqlite
@pytest.mark.parametrize("include", ["everything", "segments,ann@example.com", "Segments"])
def test_an_unknown_part_is_wrong(lasting: Service, include: str) -> None:
    assert_problem(lasting.get(f"/v1/profiles/{ANN}", include=include), 400, "wrong_use")


def test_a_retired_id_answers_with_its_survivor(lasting: Service) -> None:
    response = lasting.get(f"/v1/profiles/{OLD}")
    assert (response.status_code, response.json()) == (200, CORE | {"retired_id": OLD, "merged_into": ANN})


@pytest.mark.parametrize("profile_id", [NOBODY, "ann@example.com", "%00", "nobody", f"{ANN}A", f"{ANN}%0A"])
def test_an_unknown_id_is_not_found(lasting: Service, profile_id: str) -> None:
    assert_problem(lasting.get(f"/v1/profiles/{profile_id}"), 404, "not_found")


@pytest.mark.parametrize(
    ("kind", "written", "normalised"),
    [
        ("email", "ann@example.com", "ann@example.com"),
        ("email", "  Ann@Example.COM ", "ann@example.com"),
        ("device_token", "dQw4w9WgXcQ:APA91bHun4MxP5egoKMwt2KZFBaFUH", "dQw4w9WgXcQ"),
        ("telegram_chat", " 1111111", "1111111"),
    ],
)
def test_an_identifier_may_be_written_in_any_way(lasting: Service, kind: str, written: str, normalised: str) -> None:
    response = lasting.look_up((kind, written))
    assert (response.status_code, response.json()) == (
        200,
        {
            "profile_id": ANN,
            "matched": [{"type": kind, "value": normalised}],
            "ambiguous": False,
            "candidates": [ANN],
            "profile": CORE,
        },
    )
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("identifiers", "matched", "candidates"),
    [
        ([("phone", "(415) 555-0100")], ["phone"], [ANN, BOB]),
        ([("phone", "+1 415 555 0100"), ("email", "ann@example.com")], ["email", "phone"], [ANN, BOB]),
        ([("phone", "4155550100"), ("customer_id", "shopify:1234")], ["customer_id", "phone"], [BOB, ANN]),
        ([("email", "ann@example.com"), ("customer_id", " shopify:1234 ")], ["customer_id"], [BOB, ANN]),
    ],
)
def test_several_people_are_ambiguous_and_the_strongest_identifier_decides(
    lasting: Service, identifiers: list[tuple[str, str]], matched: list[str], candidates: list[str]
) -> None:
    found = lasting.look_up(*identifiers).json()
    assert found["ambiguous"]
    assert found["candidates"] == candidates
    assert found["profile_id"] == found["profile"]["profile_id"] == candidates[0]
    assert [match["type"] for match in found["matched"]] == matched


def test_identifiers_of_one_person_are_not_ambiguous(lasting: Service) -> None:
    found = lasting.look_up(("email", "ann@example.com"), ("email", "ANN@example.com"), ("email", "b@example.org"))
    assert not found.json()["ambiguous"]
    assert len(found.json()["matched"]) == 1


def test_a_lookup_takes_include_as_well(lasting: Service) -> None:
    body = {"identifiers": [{"type": "email", "value": "ann@example.com"}]}
    found = lasting.http.post(
        "/v1/profiles/lookup?include=segments", json=body, headers=lasting.headers(lasting.reader)
    )
    assert found.json()["profile"] == CORE | {"segments": DOCUMENT["segments"]}


@pytest.mark.parametrize(
    "identifier",
    [("email", "nobody@example.com"), ("email", "no address 5550100"), ("phone", "5"), ("anonymous_id", " ")],
)
def test_nobody_is_not_found(lasting: Service, identifier: tuple[str, str]) -> None:
    assert_problem(lasting.look_up(identifier), 404, "not_found")


EMAIL = {"type": "email", "value": "ann@example.com"}


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "ann@example.com",
        {"identifiers": "ann@example.com"},
        {"identifiers": []},
        {"identifiers": ["ann@example.com"]},
        {"identifiers": [EMAIL] * 51},
        {"identifiers": [{**EMAIL, "type": "ann@example.com"}]},
        {"identifiers": [{"value": "ann@example.com"}]},
        {"identifiers": [{**EMAIL, "value": ""}]},
        {"identifiers": [{**EMAIL, "value": "ann@example.com" * 100}]},
        {"identifiers": [{**EMAIL, "value": {"ann@example.com": 1}}]},
        {"identifiers": [{**EMAIL, "value": "ann\0@example.com"}]},
    ],
)
def test_a_wrong_body_is_refused_without_repeating_it(lasting: Service, body: Any) -> None:
    response = lasting.http.post("/v1/profiles/lookup", json=body, headers=lasting.headers(lasting.reader))
    assert_problem(response, 422, "invalid_request")
    assert response.json()["errors"]


@on_sqlite
@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"identifiers": [{"type": "email", "value": "ann@example.com', b"\xff\xfe"]
)
def test_a_body_that_is_not_json_is_refused_without_repeating_it(lasting: Service, content: bytes) -> None:
    headers = {**lasting.headers(lasting.reader), "Content-Type": "application/json"}
    response = lasting.http.post("/v1/profiles/lookup", content=content, headers=headers)
    assert response.status_code in (400, 422)
    assert_problem(response, response.status_code, response.json()["code"])


@on_sqlite
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_beyond_a_megabyte_is_refused(lasting: Service, declared: bool) -> None:
    headers = {**lasting.headers(lasting.reader), "Content-Type": "application/json"}
    body = b'{"identifiers": "' + b"x" * 1_000_000 + b'"}'
    content = body if declared else (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    response = lasting.http.post("/v1/profiles/lookup", content=content, headers=headers)
    assert_problem(response, 413, "payload_too_large")


def call(service: Service, route: str, headers: dict[str, str]) -> httpx.Response:
    if route == "lookup":
        return service.http.post("/v1/profiles/lookup", json={"identifiers": [EMAIL]}, headers=headers)
    return service.http.get(f"/v1/profiles/{ANN}?include=nonsense", headers=headers)


@on_sqlite
@pytest.mark.parametrize("route", ["lookup", "read"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "}])
def test_without_a_token_nothing_is_told(lasting: Service, route: str, headers: dict[str, str]) -> None:
    response = call(lasting, route, headers)
    assert_problem(response, 401, "unauthorised")
    assert response.headers["www-authenticate"] == 'Bearer realm="cdp"'


@on_sqlite
@pytest.mark.parametrize("route", ["lookup", "read"])
def test_the_wrong_scope_is_refused(lasting: Service, route: str) -> None:
    response = call(lasting, route, lasting.headers(lasting.sender))
    assert_problem(response, 403, "insufficient_scope")
    assert 'error="insufficient_scope", scope="profiles:read"' in response.headers["www-authenticate"]


def test_many_are_looked_up_at_once(lasting: Service) -> None:
    asked = [
        [EMAIL],
        [{"type": "email", "value": "stranger@example.com"}],
        [{"type": "phone", "value": "+1 415 555 0100"}],
        [{"type": "phone", "value": "nonsense"}],
        [EMAIL],
    ]
    headers = lasting.headers(lasting.reader)
    body = {"requests": [{"identifiers": identifiers} for identifiers in asked]}
    response = lasting.http.post("/v1/profiles/lookup/batch?include=consent,segments", json=body, headers=headers)
    assert response.status_code == 200, response.text
    answers = response.json()["answers"]
    nobody = {"profile_id": None, "matched": [], "ambiguous": False, "candidates": [], "profile": None}
    alone = [
        lasting.http.post("/v1/profiles/lookup?include=consent,segments", json=one, headers=headers)
        for one in body["requests"]
    ]
    assert answers == [one.json() if one.status_code == 200 else nobody for one in alone]
    assert [one["profile_id"] for one in answers] == [ANN, None, ANN, None, ANN]


@pytest.mark.parametrize("count", [0, 1_001])
def test_a_batch_of_lookups_has_a_limit(lasting: Service, count: int) -> None:
    body = {"requests": [{"identifiers": [EMAIL]}] * count}
    response = lasting.http.post("/v1/profiles/lookup/batch", json=body, headers=lasting.headers(lasting.reader))
    assert_problem(response, 422, "invalid_request")
