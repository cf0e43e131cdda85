"""What holds for every route, whoever wrote it: a new one is tested here as soon as the application has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from api.app import RESOURCES
from api.segment_com import tracking_routes
from cdp.access.clients import NewClient
from tests.api.service import NOBODY, Service
from tests.api.warehouse import publish_warehouse

# Open to everybody, on purpose.
PUBLIC = {
    *("/healthz", "/readyz", "/metrics", "/oauth/token"),
    *("/.well-known/oauth-authorization-server", "/.well-known/jwks.json"),
    "/v1/m",
}
# Who calls proves it in another way than by an access token: a signature, a write key, a link that was sent to them.
OTHER_PROOF = (
    *("/webhooks/", "/u/"),
    *(route.path for route in tracking_routes.router.routes if isinstance(route, APIRoute)),
)
EXAMPLES = {"profile_id": NOBODY, "id_type": "email", "id_value": "nobody@example.com"}

ROUTES = sorted(
    (method, route.path)
    for resource in RESOURCES
    for route in resource.router.routes
    if isinstance(route, APIRoute)
    for method in route.methods
)
EVERY_ROUTE = pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("routes") / "home")
    service.publish()
    publish_warehouse(service.settings)
    yield service
    service.close()


def operation(service: Service, method: str, path: str) -> dict[str, Any]:
    """How a route is documented; nothing where it is left out."""
    documented: dict[str, Any] = service.app.openapi()["paths"]
    without_converters = path.replace(":path}", "}")
    found: dict[str, Any] = documented.get(without_converters, {}).get(method.lower(), {})
    return found


def scopes_of(documented: dict[str, Any]) -> list[str]:
    return [scope for way in documented.get("security", []) for scope in way.get("OAuth2", [])]


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


@EVERY_ROUTE
def test_who_does_not_say_who_they_are_is_told_nothing(published: Service, method: str, path: str) -> None:
    if path in PUBLIC or method == "OPTIONS":
        pytest.skip("open to everybody")
    response = call(published, method, path, **({"json": {}} if method == "POST" else {}))
    if path.startswith(OTHER_PROOF):
        assert_told(response, 400, 401, 403, 404, 503)
    else:
        assert_told(response, 401)
        assert "www-authenticate" in response.headers


@EVERY_ROUTE
def test_the_wrong_scope_is_refused(published: Service, method: str, path: str) -> None:
    wanted = scopes_of(operation(published, method, path))
    if not wanted:
        assert path in PUBLIC or path.startswith(OTHER_PROOF)
        pytest.skip("takes no token")
    other = published.sender if "decisions:read" not in wanted else published.reader
    assert_told(call(published, method, path, other), 403)


@EVERY_ROUTE
@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"[" * 5_000, b'"nothing"'], ids=["cut", "bytes", "deep", "text"]
)
def test_a_wrong_body_is_refused(published: Service, method: str, path: str, content: bytes) -> None:
    documented = operation(published, method, path)
    if "requestBody" not in documented or path in PUBLIC or path.startswith(OTHER_PROOF):
        pytest.skip("takes no JSON, or nothing without proof")
    headers = {"Content-Type": "application/json"}
    response = call(published, method, path, published.everything, content=content, headers=headers)
    assert_told(response, 400, 404, 413, 422)


@EVERY_ROUTE
def test_what_is_not_there_is_not_found(published: Service, method: str, path: str) -> None:
    if "{" not in path or not scopes_of(operation(published, method, path)) or method != "GET":
        pytest.skip("names nothing")
    assert_told(call(published, method, path, published.everything), 404)
