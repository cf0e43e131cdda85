"""What holds for every route, whoever wrote it: a new one is tested here as soon as the application has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.segment_com import loader_routes, tracking_routes
from cdp.access.clients import SCOPES, NewClient
from tests.api.service import NOBODY, Service
from tests.cdp.store_urls import on_sqlite

pytestmark = on_sqlite

# Open to everybody, on purpose.
PUBLIC = {
    *("/healthz", "/readyz", "/metrics", "/oauth/token"),
    *("/.well-known/oauth-authorization-server", "/.well-known/jwks.json"),
    "/v1/m",
}
# Who calls proves it in another way than by an access token: a signature, a write key, a link that was sent to them.
OTHER_PROOF = (
    *("/webhooks/", "/u/"),
    *(
        route.path
        for routes in (tracking_routes, loader_routes)
        for route in routes.router.routes
        if isinstance(route, APIRoute)
    ),
)
EXAMPLES = {
    "profile_id": NOBODY,
    "id_type": "email",
    "id_value": "nobody@example.com",
    "decision_id": "dec_" + "Z" * 26,
    "message_id": "msg_" + "Z" * 26,
    "broadcast_id": "bct_" + "Z" * 26,
}

ROUTES = sorted(
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods
)


def documented() -> dict[str, Any]:
    """The OpenAPI document of the routes alone: which cases there are must not wait for a store."""
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    return app.openapi()


DOCUMENT = documented()
DOCUMENTED, SCHEMAS = DOCUMENT["paths"], DOCUMENT["components"]["schemas"]


def operation(method: str, path: str) -> dict[str, Any]:
    """How a route is documented; nothing where it is left out."""
    found: dict[str, Any] = DOCUMENTED.get(path.replace(":path}", "}"), {}).get(method.lower(), {})
    return found


def body_of(method: str, path: str) -> dict[str, Any]:
    """What a route takes as its body, by content type."""
    found: dict[str, Any] = operation(method, path).get("requestBody", {}).get("content", {})
    return found


def scopes_of(method: str, path: str) -> list[str]:
    return [scope for way in operation(method, path).get("security", []) for scope in way.get("OAuth2", [])]


def is_open(path: str) -> bool:
    return path in PUBLIC or path.startswith(OTHER_PROOF)


def every_route(applies: Callable[[str, str], bool]) -> pytest.MarkDecorator:
    """A case for each route to which a check applies."""
    cases = [(method, path) for method, path in ROUTES if applies(method, path)]
    return pytest.mark.parametrize(("method", "path"), cases, ids=lambda part: part)


def call(service: Service, method: str, path: str, client: NewClient | None = None, **arguments: Any) -> httpx.Response:
    values = {name: EXAMPLES.get(name, "nothing") for name in _parameters(path)}
    url = path.replace(":path}", "}").format(**values)
    headers = service.headers(client) if client else {}
    return service.http.request(method, url, headers={**headers, **arguments.pop("headers", {})}, **arguments)


def _parameters(path: str) -> list[str]:
    return [part.partition("}")[0].partition(":")[0] for part in path.split("{")[1:]]


def assert_told(response: httpx.Response, *statuses: int) -> None:
    """An error of these, in a problem document that programs and people can read."""
    assert response.status_code in statuses, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["code"]
    assert body["message"]
    assert body["status"] == response.status_code
    assert "example.com" not in response.text


@every_route(lambda method, path: "requestBody" in operation(method, path))
def test_a_body_is_shown_by_an_example(method: str, path: str) -> None:
    for content in operation(method, path)["requestBody"]["content"].values():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        schema = SCHEMAS[name] if name else content["schema"]
        assert "example" in content or schema["examples"]


def test_a_route_takes_a_token_or_is_known_to_be_open() -> None:
    assert [path for method, path in ROUTES if not scopes_of(method, path) and not is_open(path)] == []


@every_route(lambda method, path: path not in PUBLIC and method != "OPTIONS")
def test_who_does_not_say_who_they_are_is_told_nothing(lasting: Service, method: str, path: str) -> None:
    response = call(lasting, method, path, **({"json": {}} if method == "POST" else {}))
    if path.startswith(OTHER_PROOF):
        assert_told(response, 400, 401, 403, 404, 503)
    else:
        assert_told(response, 401)
        assert "www-authenticate" in response.headers


@every_route(lambda method, path: bool(scopes_of(method, path)))
def test_the_wrong_scope_is_refused(lasting: Service, method: str, path: str) -> None:
    wanted = scopes_of(method, path)
    other = lasting.sender if "decisions:read" not in wanted else lasting.reader
    assert_told(call(lasting, method, path, other), 403)


@every_route(lambda method, path: "requestBody" in operation(method, path) and not is_open(path))
@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"[" * 5_000, b'"nothing"'], ids=["cut", "bytes", "deep", "text"]
)
def test_a_wrong_body_is_refused(lasting: Service, method: str, path: str, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = call(lasting, method, path, lasting.everything, content=content, headers=headers)
    assert_told(response, 400, 404, 413, 422)


@every_route(lambda method, path: "application/json" in body_of(method, path) and not is_open(path))
@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_json_of_another_content_type_is_told_what_is_wrong(
    lasting: Service, method: str, path: str, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = call(lasting, method, path, lasting.everything, content=b'{"channel": "email"}', headers=headers)
    assert_told(response, 422)
    assert "Content-Type: application/json" in response.json()["detail"]
    assert response.json()["errors"][-1]["location"] == "body"


def takes_a_key(method: str, path: str) -> bool:
    return any(one["name"] == "Idempotency-Key" for one in operation(method, path).get("parameters", []))


def test_what_books_or_sends_for_a_client_takes_a_key() -> None:
    assert {path for method, path in ROUTES if takes_a_key(method, path)} == {
        *("/v1/broadcasts", "/v1/consents", "/v1/decisions", "/v1/messages", "/v1/messages/batch"),
    }


@every_route(takes_a_key)
@pytest.mark.parametrize(
    ("keys", "words"),
    [(["k1", "k2"], "one Idempotency-Key, not 2"), (["k1", "k1"], "not 2"), ([""], "1 to 255"), (["k" * 256], "255")],
    ids=["two", "twice", "empty", "long"],
)
def test_a_request_has_one_idempotency_key(
    lasting: Service, method: str, path: str, keys: list[str], words: str
) -> None:
    [content] = operation(method, path)["requestBody"]["content"].values()
    schema = SCHEMAS[content["schema"]["$ref"].rpartition("/")[2]] if "$ref" in content["schema"] else content["schema"]
    token = lasting.headers(lasting.everything)["Authorization"]
    headers = [("Authorization", token), *(("Idempotency-Key", key) for key in keys)]
    response = lasting.http.request(method, path, json=schema["examples"][0], headers=headers)
    assert_told(response, 400)
    assert response.json()["code"] == "invalid_idempotency_key"
    assert words in response.json()["detail"]


@every_route(lambda method, path: method == "GET" and "{" in path and bool(scopes_of(method, path)))
def test_what_is_not_there_is_not_found(lasting: Service, method: str, path: str) -> None:
    assert_told(call(lasting, method, path, lasting.everything), 404)


@every_route(lambda method, path: bool(operation(method, path)))
def test_a_wrong_method_is_told_which_ones_there_are(lasting: Service, method: str, path: str) -> None:
    response = call(lasting, "TRACE", path)
    assert_told(response, 405)
    there = {other for other, same in ROUTES if same == path}
    # Others may match the path as well: `/v1/profiles/lookup` could be a profile's.
    assert method in there <= set(response.headers["allow"].split(", "))


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/profiles/lookup", "POST"),
        ("/v1/profiles/lookup/batch", "POST"),
        ("/v1/messages/batch", "POST"),
        ("/v1/decisions", "POST"),
        ("/v1/consents", "GET, HEAD, POST"),
        (f"/v1/profiles/{NOBODY}", "GET, HEAD"),
        (f"/v1/profiles/{NOBODY}/identity", "GET, HEAD, POST"),
        ("/webhooks/whatsapp", "GET, HEAD, POST"),
        ("/beacon/v1/batch", "POST"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_no_others(lasting: Service, path: str, methods: str) -> None:
    """The name of an operation is no id: `/v1/profiles/lookup` is nobody's profile."""
    headers = lasting.headers(lasting.everything)
    for method in {"GET", "HEAD", "PUT", "DELETE", "TRACE"} - set(methods.split(", ")):
        response = lasting.http.request(method, path, headers=headers)
        assert (response.status_code, response.headers["allow"]) == (405, methods), method


@every_route(lambda method, path: method == "GET" and not path.startswith("/u/"))
def test_head_is_get_without_a_body(lasting: Service, method: str, path: str) -> None:
    client = lasting.everything if scopes_of(method, path) else None
    shown, told = call(lasting, "GET", path, client), call(lasting, "HEAD", path, client)
    assert (told.status_code, told.content) == (shown.status_code, b"")
    varying = {"ratelimit-remaining", "ratelimit-reset", "content-length"}
    assert {name: value for name, value in told.headers.items() if name not in varying} == {
        name: value for name, value in shown.headers.items() if name not in varying
    }


SCOPE_MATRIX = [(method, path, scope) for method, path in ROUTES if scopes_of(method, path) for scope in SCOPES]


@pytest.fixture(scope="module")
def holders(lasting: Service) -> dict[str, dict[str, str]]:
    """For each scope, the headers of a client that has no other."""
    return {scope: lasting.headers(lasting.add_client(f"only {scope}", scope)) for scope in SCOPES}


@pytest.mark.parametrize(("method", "path", "scope"), SCOPE_MATRIX, ids=lambda part: part)
def test_each_scope_opens_its_operations_and_no_others(
    lasting: Service, holders: dict[str, dict[str, str]], method: str, path: str, scope: str
) -> None:
    """Which these are is what the documentation says; that it says enough is held by the table of attacks."""
    body = {"json": {}} if method == "POST" else {}
    response = call(lasting, method, path, headers=holders[scope], **body)
    if scope in scopes_of(method, path):
        assert response.status_code not in (401, 403), response.text
    else:
        assert_told(response, 403)
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
