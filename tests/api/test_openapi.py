"""The API does what its documentation says, for requests that the documentation allows and for some that it does not.

Schemathesis makes them from the OpenAPI document, for every route: no answer is a server error, none has a status or
a body that is not documented.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import requests
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from api.app import ROUTERS
from tests.api.service import Service
from tests.cdp.store_urls import on_sqlite

pytestmark = [on_sqlite, pytest.mark.slow]

EXAMPLES_A_ROUTE = 12
RATE = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
# Of protocols, and of browsers' security.
GENERAL = {
    *("content-length", "content-type", "allow", "vary", "pragma", "x-content-type-options", "referrer-policy"),
    *("strict-transport-security", "content-security-policy", "x-robots-tag"),
}
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
OPERATIONS = sorted(
    (method, route.path_format)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in route.methods
)


@pytest.fixture(scope="module")
def document(lasting: Service) -> Any:
    return schemathesis.openapi.from_dict(lasting.app.openapi())


@pytest.fixture
def cases(document: Any, method: str, path: str) -> st.SearchStrategy[schemathesis.Case]:
    """Requests to a route that the documentation allows, and some that it does not."""
    return st.one_of(*(document[path][method].as_strategy(generation_mode=mode) for mode in GenerationMode))


def test_every_tracking_route_is_there(document: Any) -> None:
    calls = ("track", "identify", "page", "screen", "group", "alias", "batch")
    expected = {*(f"/v1/{call}" for call in calls), *(f"/v1/{call[0]}" for call in calls), "/v1/import"}
    assert expected | {"/v1/m", "/beacon/v1/batch"} <= document.raw_schema["paths"].keys()
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert [route.path for route in routes if not route.include_in_schema] == []


def test_a_batch_of_messages_is_one_of_messages(document: Any) -> None:
    """What is not one is told so item by item, but nobody should send it."""
    items = document.raw_schema["components"]["schemas"]["MessageBatch"]["properties"]["messages"]
    assert items["items"] == {"$ref": "#/components/schemas/MessageRequest"}
    assert (items["minItems"], items["maxItems"]) == (1, 1_000)


DECLARED = {
    ("get", "/v1/profiles/{profile_id}", "200"): {"ETag", *RATE},
    ("get", "/v1/profiles/{profile_id}", "304"): {"ETag", *RATE},
    ("get", "/v1/profiles/{profile_id}", "429"): {"Retry-After", *RATE},
    ("post", "/v1/decisions", "200"): {"Idempotent-Replayed", *RATE},
    ("post", "/v1/messages", "202"): {"Idempotent-Replayed", *RATE},
    ("post", "/v1/messages/batch", "202"): {"Idempotent-Replayed", *RATE},
    ("post", "/v1/consents", "201"): {"Idempotent-Replayed", *RATE},
    ("post", "/v1/consents", "403"): {"WWW-Authenticate", *RATE},
    ("post", "/v1/track", "401"): {"WWW-Authenticate"},
    ("post", "/beacon/v1/batch", "429"): {"Retry-After", *RATE},
    ("post", "/webhooks/{source}", "503"): {"Retry-After"},
    ("get", "/readyz", "503"): {"Retry-After"},
}


@pytest.mark.parametrize(("method", "path", "status"), DECLARED)
def test_headers_are_declared_where_they_are_sent(document: Any, method: str, path: str, status: str) -> None:
    declared = document.raw_schema["paths"][path][method]["responses"][status]["headers"]
    assert declared.keys() == {"Cache-Control", *DECLARED[method, path, status]}
    assert all(one["description"] and one["schema"] for one in declared.values())


def declared_headers(document: Any, case: schemathesis.Case, status: int) -> set[str]:
    """The names of the headers that an answer with this status may have."""
    responses = document.raw_schema["paths"][case.path][case.method.lower()]["responses"]
    return {name.lower() for name in responses.get(str(status), {}).get("headers", {})}


def test_who_sends_a_body_may_send_what_is_none(document: Any) -> None:
    """Bytes that are not UTF-8, for example."""
    operations = [
        (method, path, operation)
        for path, methods in document.raw_schema["paths"].items()
        for method, operation in methods.items()
    ]
    assert [
        (method, path) for method, path, one in operations if "requestBody" in one and "400" not in one["responses"]
    ] == []


@pytest.fixture(scope="module")
def headers(lasting: Service) -> dict[str, str]:
    return lasting.headers(lasting.everything)


def send(lasting: Service, case: schemathesis.Case, headers: dict[str, str]) -> httpx.Response:
    """Schemathesis's own client would start and end the application for each request."""
    request = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    request.headers.update(headers)
    return lasting.http.request(str(request.method), str(request.url), content=request.body, headers=request.headers)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
@given(data=st.data())
@settings(
    max_examples=EXAMPLES_A_ROUTE,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_the_documentation_holds(
    lasting: Service,
    document: Any,
    cases: st.SearchStrategy[schemathesis.Case],
    headers: dict[str, str],
    data: st.DataObject,
) -> None:
    case = data.draw(cases)
    response = send(lasting, case, headers)
    case.validate_response(response, checks=CHECKS)
    if response.status_code != 405:
        sent = {name.lower() for name in response.headers} - GENERAL
        assert sent <= declared_headers(document, case, response.status_code)
