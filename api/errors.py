"""Errors as RFC 9457 problem documents, plus `code` and `message`, which tracking clients expect.

A problem never repeats the request's content, which may be personal data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match

from api.routing import answers_head
from api.schemas import Problem
from cdp.errors import CdpError

MEDIA_TYPE = "application/problem+json"

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
}
_SERVER_MESSAGES = {
    500: "Internal server error. The log has the details under the instance given here",
    503: "The service is temporarily unavailable. Try again in a few seconds",
}
_RETRY_SECONDS = "5"

# Segment's Profile API has its own error object and does not use status 422.
_SEGMENT_COM_PATHS = "/v1/spaces/"
_SEGMENT_COM_CODES = {
    400: "validation_error",
    401: "authentication_error",
    403: "authentication_error",
    404: "not_found",
    429: "rate_limit_error",
}


class ApiError(CdpError):
    """An error of the HTTP layer, with the response headers that its status requires."""

    def __init__(self, what: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(what)
        self.headers = dict(headers or {})


class Unauthorised(ApiError):
    """Missing or invalid credentials (RFC 6750)."""

    http_status = 401
    code = "unauthorised"


class InvalidToken(Unauthorised):
    """The token is invalid, or no longer valid."""

    code = "invalid_token"

    def __init__(self) -> None:
        message = "The access token is invalid or has expired"
        challenge = f'Bearer realm="cdp", error="invalid_token", error_description="{message}"'
        super().__init__(message, headers={"WWW-Authenticate": challenge})


class InsufficientScope(ApiError):
    """The token is valid but lacks the required scope (RFC 6750)."""

    http_status = 403
    code = "insufficient_scope"

    def __init__(self, required: str) -> None:
        challenge = f'Bearer realm="cdp", error="insufficient_scope", scope="{required}"'
        super().__init__(f"Insufficient scope: {required} is required", headers={"WWW-Authenticate": challenge})


class OAuthError(ApiError):
    """An error of the token endpoint (RFC 6749, section 5.2)."""

    http_status = 400

    def __init__(self, code: str, what: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(what, headers=headers)
        self.code = code
        if code == "invalid_client":
            self.http_status = 401


def problem(
    request: Request,
    status: int,
    code: str,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, Any]] | None = None,
) -> JSONResponse:
    """A problem document; its `instance` is the request id, under which the log has the details."""
    request.state.error_code = code
    found = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=message,
        instance=f"urn:uuid:{request.state.request_id}",
        code=code,
        message=message,
        errors=errors,
        error=_segment_com_error(status, message) if _is_segment_com(request) else None,
    )
    return JSONResponse(found.model_dump(exclude_none=True), status, dict(headers or {}), MEDIA_TYPE)


def handle_errors(app: FastAPI, log: structlog.typing.FilteringBoundLogger) -> None:
    """Turn every error of `app` into a problem; server errors are logged, without details in the response."""

    async def on_cdp_error(request: Request, error: CdpError) -> JSONResponse:
        status, message = error.http_status, error.line()
        headers = dict(error.headers) if isinstance(error, ApiError) else {}
        if status == 503:
            headers["Retry-After"] = _RETRY_SECONDS
        if status >= 500 and not isinstance(error, ApiError):
            log.error("request failed", code=error.code, error=message, id=request.state.request_id)
            message = _SERVER_MESSAGES[status]
        return problem(request, status, error.code, message, headers=headers)

    async def on_defect(request: Request, error: Exception) -> JSONResponse:
        log.error("request failed", code="defect", error=type(error).__name__, id=request.state.request_id)
        return problem(request, 500, "defect", _SERVER_MESSAGES[500])

    app.exception_handlers |= {
        CdpError: on_cdp_error,
        OAuthError: _on_oauth_error,
        HTTPException: _on_http_exception,
        RequestValidationError: _on_invalid_request,
        Exception: on_defect,
    }


async def _on_oauth_error(request: Request, error: OAuthError) -> JSONResponse:
    request.state.error_code = error.code
    body = {"error": error.code, "error_description": error.what, "code": error.code, "message": error.what}
    return JSONResponse(body, error.http_status, error.headers)


async def _on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
    code = _CODES.get(error.status_code, "http_error")
    status = HTTPStatus(error.status_code)
    # The framework's own words are better only where it cannot parse a body; they quote nothing of it.
    message = error.detail if status == HTTPStatus.BAD_REQUEST else status.description or status.phrase
    headers = dict(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    return problem(request, error.status_code, code, message, headers=headers)


def _methods_of(request: Request) -> set[str]:
    """The methods that the path has routes for, and HEAD with GET. The router names those of the first route only."""
    found = {
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    }
    return found | {"HEAD"} if "GET" in found and answers_head(request.scope["path"]) else found


_METHODS = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")


async def _on_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
    found = [{"location": location(each["loc"]), "message": each["msg"]} for each in error.errors()]
    if _is_unread(error.body):
        of_other_parts = [each for each in found if each["location"].partition(".")[0] != "body"]
        found = [*of_other_parts, {"location": "body", "message": _UNREAD}]
    first = found[0]
    message = f"Invalid request: {first['location']}: {first['message']}"
    return problem(request, 400 if _is_segment_com(request) else 422, _CODES[422], message, errors=found)


_UNREAD = "it is read as JSON only with the header Content-Type: application/json"


def _is_unread(body: object) -> bool:
    """Whether the framework left a body as bytes, because its Content-Type is missing or not that of JSON."""
    return isinstance(body, bytes) and bool(body)


def _segment_com_error(status: int, message: str) -> dict[str, str]:
    return {"code": _SEGMENT_COM_CODES.get(status, "error"), "message": message}


def _is_segment_com(request: Request) -> bool:
    return str(request.scope["path"]).startswith(_SEGMENT_COM_PATHS)


def location(parts: tuple[str | int, ...]) -> str:
    """Where in a request something is wrong, such as `body.to.identifiers.0`. What is no usual name may be a value."""
    return ".".join(str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "…" for part in parts)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI documentation of a route's errors, for `responses=`."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}} for status in statuses}
