"""What the OpenAPI document says of all routes alike: response headers, the schema of problems, HTTP Basic.

Headers that protocols handle by themselves (CORS, content types, a browser's security) are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from api.idempotency import HEADER as IDEMPOTENCY_KEY
from api.schemas import Problem

Json = dict[str, Any]

_WHOLE_NUMBER = {"type": "integer", "minimum": 0}
HEADERS: dict[str, Json] = {
    "Retry-After": {
        "description": "Seconds to wait before the request is worth repeating",
        "schema": _WHOLE_NUMBER,
        "example": 5,
    },
    "WWW-Authenticate": {
        "description": "How to authenticate, and the scope that is missing (RFC 6750, RFC 9110)",
        "schema": {"type": "string"},
        "example": 'Bearer realm="cdp", error="insufficient_scope", scope="profiles:read"',
    },
    "Idempotent-Replayed": {
        "description": f"`true` if this is the answer to an earlier request with the same `{IDEMPOTENCY_KEY}`; "
        "otherwise the header is missing",
        "schema": {"const": "true"},
    },
    "ETag": {
        "description": "Version of the answer, for `If-None-Match`",
        "schema": {"type": "string"},
        "example": '"0f343b0931126a20f133d67c2b018a3b"',
    },
    "Cache-Control": {
        "description": "Whether and for how long the answer may be kept",
        "schema": {"type": "string"},
        "example": "no-store",
    },
    "RateLimit-Limit": {"description": "Requests that the client has each minute", "schema": _WHOLE_NUMBER},
    "RateLimit-Remaining": {"description": "Requests that it has left", "schema": _WHOLE_NUMBER},
    "RateLimit-Reset": {"description": "Seconds until it has all of them again", "schema": _WHOLE_NUMBER},
}
_OF_ANY_CLIENT = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_OF_STATUS = {
    "401": ("WWW-Authenticate",),
    "403": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}


def complete_documentation(app: FastAPI, basic_paths: str) -> None:
    """Add to the OpenAPI document what routes do not declare.

    Args:
        basic_paths: where paths begin that clients of the Profile API also call with HTTP Basic.
    """
    generate = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            _complete(generate(), basic_paths)
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: Json, basic_paths: str) -> None:
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).setdefault("Problem", Problem.model_json_schema())
    components.setdefault("securitySchemes", {})["Basic"] = {"type": "http", "scheme": "basic"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith(basic_paths):
                operation["security"] = [{"OAuth2": ["profiles:read"]}, {"Basic": []}]
            for status, response in operation["responses"].items():
                response["headers"] = {name: HEADERS[name] for name in _headers_of(operation, status)}


def _headers_of(operation: Json, status: str) -> Iterator[str]:
    """The headers that a response may have."""
    yield "Cache-Control"
    yield from _OF_STATUS.get(status, ())
    if status != "401" and any("OAuth2" in way for way in operation.get("security", [])):
        yield from _OF_ANY_CLIENT
    if status in ("200", "304") and "304" in operation["responses"]:
        yield "ETag"
    if status.startswith("2") and any(one["name"] == IDEMPOTENCY_KEY for one in operation.get("parameters", [])):
        yield "Idempotent-Replayed"
