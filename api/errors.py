"""Errors as RFC 9457 problem documents, with `code` and `message` beside, which tracking clients look for.

A problem never repeats what was sent: that may be personal data.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

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
    500: "The server met a defect. It is in the log under the instance given here",
    503: "The service is not available at the moment. Try again in a few seconds",
}
_RETRY_SECONDS = "5"

# Segment's Profile API has an error object of its own, and no status 422.
_SEGMENT_PATHS = "/v1/spaces/"
_SEGMENT_CODES = {
    400: "validation_error",
    401: "authentication_error",
    403: "authentication_error",
    404: "not_found",
    429: "rate_limit_error",
}


class ApiError(CdpError):
    """An error that only HTTP knows, with the headers that its status asks for."""

    def __init__(self, what: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(what)
        self.headers = dict(headers or {})


class Unauthorised(ApiError):
    """No token, or not a valid one (RFC 6750)."""

    http_status = 401
    code = "unauthorised"


class InvalidToken(Unauthorised):
    """The token is not one of ours, or no longer valid."""

    code = "invalid_token"

    def __init__(self) -> None:
        message = "The access token is not valid or has expired"
        challenge = f'Bearer realm="cdp", error="invalid_token", error_description="{message}"'
        super().__init__(message, headers={"WWW-Authenticate": challenge})


class InsufficientScope(ApiError):
    """The token is valid but does not reach this far (RFC 6750)."""

    http_status = 403
    code = "insufficient_scope"

    def __init__(self, required: str) -> None:
        challenge = f'Bearer realm="cdp", error="insufficient_scope", scope="{required}"'
        super().__init__(f"This needs the scope {required}", headers={"WWW-Authenticate": challenge})


class OAuthError(ApiError):
    """A refusal of the token endpoint, in the words of RFC 6749, section 5.2."""

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
    """A problem document; its `instance` is the request's id, under which the log has more."""
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
        error={"code": _SEGMENT_CODES.get(status, "error"), "message": message} if _is_segments(request) else None,
    )
    return JSONResponse(found.model_dump(exclude_none=True), status, dict(headers or {}), MEDIA_TYPE)


def handle_errors(app: FastAPI, log: structlog.typing.FilteringBoundLogger) -> None:
    """Make every error of `app` a problem; the server's own are logged and say nothing about themselves."""

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
    return JSONResponse(body, error.http_status, {"Cache-Control": "no-store", **error.headers})


async def _on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
    code = _CODES.get(error.status_code, "http_error")
    message = HTTPStatus(error.status_code).description or HTTPStatus(error.status_code).phrase
    return problem(request, error.status_code, code, message, headers=error.headers)


async def _on_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
    found = [{"location": _location(each["loc"]), "message": each["msg"]} for each in error.errors()]
    first = found[0]
    message = f"The request is not valid: {first['location']}: {first['message']}"
    return problem(request, 400 if _is_segments(request) else 422, _CODES[422], message, errors=found)


def _is_segments(request: Request) -> bool:
    return str(request.scope["path"]).startswith(_SEGMENT_PATHS)


def _location(parts: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in parts)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of a route's errors, for `responses=`."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}} for status in statuses}
