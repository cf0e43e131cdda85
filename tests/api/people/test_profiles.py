"""Looking up and reading profiles."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cdp import fields
from cdp.metrics.catalogue import EMPTY_WINDOWS
from cdp.people.identifiers import STRENGTH
from tests.api.service import ANN, BOB, DOCUMENT, NOBODY, OLD, Service, assert_problem

CORE = {key: DOCUMENT[key] for key in ("profile_id", "traits", "created_at", "last_seen_at")}


def test_every_identifier_type_has_a_strength() -> None:
    assert set(fields.IDENTIFIER_TYPES) == set(STRENGTH)


def test_a_profile_shows_its_core_traits(service: Service) -> None:
    response = service.get(f"/v1/profiles/{ANN}")
    assert (response.status_code, response.json()) == (200, CORE)
    assert response.headers["cache-control"] == "no-store"


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
def test_include_adds_parts(service: Service, include: str, keys: set[str]) -> None:
    found = service.get(f"/v1/profiles/{ANN}", include=include).json()
    expected = CORE | {key: DOCUMENT[key] for key in keys}
    if "metrics" in keys:
        # A document omits windows without activity; a response includes them.
        expected["metrics"] = EMPTY_WINDOWS | DOCUMENT["metrics"]
    assert found == expected


def test_questions_ask_for_missing_traits(service: Service) -> None:
    found = service.get(f"/v1/profiles/{ANN}", include="questions").json()
    assert found["next_questions"] == [{"trait": "street", "reason": "says where to deliver"}]
    missing = [one["trait"] for one in found["trait_status"] if one["status"] == "missing"]
    assert missing == ["street", "region"]


@pytest.mark.parametrize("include", ["everything", "segments,ann@example.com", "Segments"])
def test_an_unknown_part_is_refused(service: Service, include: str) -> None:
    assert_problem(service.get(f"/v1/profiles/{ANN}", include=include), 400, "wrong_use")


def test_a_retired_id_returns_its_survivor(service: Service) -> None:
    response = service.get(f"/v1/profiles/{OLD}")
    assert (response.status_code, response.json()) == (200, CORE | {"retired_id": OLD, "merged_into": ANN})


@pytest.mark.parametrize("profile_id", [NOBODY, "ann@example.com", "%00", "lookup", f"{ANN}A", f"{ANN}%0A"])
def test_an_unknown_id_is_not_found(service: Service, profile_id: str) -> None:
    assert_problem(service.get(f"/v1/profiles/{profile_id}"), 404, "not_found")


@pytest.mark.parametrize(
    ("kind", "written", "normalised"),
    [
        ("email", "ann@example.com", "ann@example.com"),
        ("email", "  Ann@Example.COM ", "ann@example.com"),
        ("device_token", "dQw4w9WgXcQ:APA91bHun4MxP5egoKMwt2KZFBaFUH", "dQw4w9WgXcQ"),
    ],
)
def test_identifiers_are_normalised(service: Service, kind: str, written: str, normalised: str) -> None:
    response = service.look_up((kind, written))
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
    service: Service, identifiers: list[tuple[str, str]], matched: list[str], candidates: list[str]
) -> None:
    found = service.look_up(*identifiers).json()
    assert found["ambiguous"]
    assert found["candidates"] == candidates
    assert found["profile_id"] == found["profile"]["profile_id"] == candidates[0]
    assert [match["type"] for match in found["matched"]] == matched


def test_identifiers_of_one_person_are_not_ambiguous(service: Service) -> None:
    found = service.look_up(("email", "ann@example.com"), ("email", "ANN@example.com"), ("email", "b@example.org"))
    assert not found.json()["ambiguous"]
    assert len(found.json()["matched"]) == 1


def test_lookup_supports_include(service: Service) -> None:
    body = {"identifiers": [{"type": "email", "value": "ann@example.com"}]}
    found = service.http.post(
        "/v1/profiles/lookup?include=segments", json=body, headers=service.headers(service.reader)
    )
    assert found.json()["profile"] == CORE | {"segments": DOCUMENT["segments"]}


@pytest.mark.parametrize(
    "identifier",
    [("email", "nobody@example.com"), ("email", "no address 5550100"), ("phone", "5"), ("anonymous_id", " ")],
)
def test_unknown_identifiers_are_not_found(service: Service, identifier: tuple[str, str]) -> None:
    assert_problem(service.look_up(identifier), 404, "not_found")


EMAIL = {"type": "email", "value": "ann@example.com"}


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
def test_an_invalid_body_is_refused_without_repeating_it(service: Service, body: Any) -> None:
    response = service.http.post("/v1/profiles/lookup", json=body, headers=service.headers(service.reader))
    assert_problem(response, 422, "invalid_request")
    assert response.json()["errors"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"identifiers": [{"type": "email", "value": "ann@example.com', b"\xff\xfe"]
)
def test_a_body_that_is_not_json_is_refused_without_repeating_it(service: Service, content: bytes) -> None:
    headers = {**service.headers(service.reader), "Content-Type": "application/json"}
    response = service.http.post("/v1/profiles/lookup", content=content, headers=headers)
    assert response.status_code in (400, 422)
    assert_problem(response, response.status_code, response.json()["code"])


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_larger_than_a_megabyte_is_refused(service: Service, declared: bool) -> None:
    headers = {**service.headers(service.reader), "Content-Type": "application/json"}
    body = b'{"identifiers": "' + b"x" * 1_000_000 + b'"}'
    content = body if declared else (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    response = service.http.post("/v1/profiles/lookup", content=content, headers=headers)
    assert_problem(response, 413, "payload_too_large")


def call(service: Service, route: str, headers: dict[str, str]) -> httpx.Response:
    if route == "lookup":
        return service.http.post("/v1/profiles/lookup", json={"identifiers": [EMAIL]}, headers=headers)
    return service.http.get(f"/v1/profiles/{ANN}?include=nonsense", headers=headers)


@pytest.mark.parametrize("route", ["lookup", "read"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "}])
def test_a_token_is_required(service: Service, route: str, headers: dict[str, str]) -> None:
    response = call(service, route, headers)
    assert_problem(response, 401, "unauthorised")
    assert response.headers["www-authenticate"] == 'Bearer realm="cdp"'


@pytest.mark.parametrize("route", ["lookup", "read"])
def test_insufficient_scope_is_refused(service: Service, route: str) -> None:
    response = call(service, route, service.headers(service.sender))
    assert_problem(response, 403, "insufficient_scope")
    assert 'error="insufficient_scope", scope="profiles:read"' in response.headers["www-authenticate"]
