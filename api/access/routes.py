"""OAuth 2.0 client credentials (RFC 6749, section 4.4), server metadata (RFC 8414), keys (RFC 7517)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request, Response

from api.access.schemas import KeySet, OAuthProblem, ServerMetadata, Token
from api.context import ContextOf
from api.errors import OAuthError, problems
from api.security.basic_auth import basic_credentials, client_by_secret
from api.security.body_limit import bounded
from api.security.tokens import LIFETIME
from cdp.access.clients import SCOPES, KnownClient

router = APIRouter(tags=["oauth"], route_class=bounded(16_384))

_FORM = "application/x-www-form-urlencoded"
_FORM_SCHEMA = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "scope": {
            "type": "string",
            "description": "Requested scopes, separated by spaces; by default all of the client's scopes",
        },
        "client_id": {"type": "string", "description": "Client id, unless given by HTTP Basic"},
        "client_secret": {"type": "string", "description": "Client secret, unless given by HTTP Basic"},
    },
}


@router.post(
    "/oauth/token",
    summary="Issue an access token",
    responses={400: {"model": OAuthProblem}, 401: {"model": OAuthProblem}, **problems(413, 503)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {_FORM: {"schema": _FORM_SCHEMA, "example": {"grant_type": "client_credentials"}}},
        }
    },
)
async def token(request: Request, response: Response, context: ContextOf) -> Token:
    """Issue an access token to a client, which authenticates by HTTP Basic or with its secret in the form."""
    form = await _form(request)
    _check_grant_type(form)
    client = await client_by_secret(request, *_credentials(request, form))
    if client is None:
        raise _invalid_client()
    request.state.client_id = client.client_id
    scopes = _granted(client, form.get("scope"))
    response.headers["Pragma"] = "no-cache"
    return Token(
        access_token=context.tokens.issue(client.client_id, scopes),
        token_type="Bearer",
        expires_in=int(LIFETIME.total_seconds()),
        scope=" ".join(scopes),
    )


@router.get("/.well-known/oauth-authorization-server", summary="Get the server metadata")
async def server_metadata(context: ContextOf) -> ServerMetadata:
    """Get the endpoints of the authorisation server and what they support."""
    issuer = context.tokens.issuer
    return ServerMetadata(
        issuer=issuer,
        token_endpoint=f"{issuer}/oauth/token",
        jwks_uri=f"{issuer}/.well-known/jwks.json",
        scopes_supported=list(SCOPES),
        response_types_supported=[],
        grant_types_supported=["client_credentials"],
        token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"],
    )


@router.get("/.well-known/jwks.json", summary="Get the key set", response_model=KeySet)
async def key_set(context: ContextOf) -> dict[str, Any]:
    """Get the public keys for verifying access tokens."""
    return context.tokens.public_keys()


async def _form(request: Request) -> Mapping[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise OAuthError("invalid_request", f"The body must be {_FORM}")
    try:
        # A parameter without a value is treated as omitted (RFC 6749, section 3.2).
        pairs = parse_qsl((await request.body()).decode(), errors="strict")
    except UnicodeDecodeError:
        raise OAuthError("invalid_request", "The body must be UTF-8") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise OAuthError("invalid_request", "Duplicate parameter")
    return form


def _check_grant_type(form: Mapping[str, str]) -> None:
    if "grant_type" not in form:
        raise OAuthError("invalid_request", "grant_type is missing")
    if form["grant_type"] != "client_credentials":
        raise OAuthError("unsupported_grant_type", "The only grant type is client_credentials")


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    header = request.headers.get("authorization")
    if header is None:
        return form.get("client_id", ""), form.get("client_secret", "")
    if "client_secret" in form:
        raise OAuthError("invalid_request", "The client must use only one authentication method")
    return _basic_credentials(header)


def _basic_credentials(header: str) -> tuple[str, str]:
    credentials = basic_credentials(header)
    if credentials is None:
        raise _invalid_client()
    client_id, secret = credentials
    return unquote_plus(client_id), unquote_plus(secret)


def _invalid_client() -> OAuthError:
    return OAuthError(
        "invalid_client",
        "Unknown client or wrong secret",
        headers={"WWW-Authenticate": 'Basic realm="cdp", charset="UTF-8"'},
    )


def _granted(client: KnownClient, requested: str | None) -> list[str]:
    wanted = requested.split() if requested else client.scopes
    if not set(wanted) <= set(client.scopes):
        raise OAuthError("invalid_scope", "The client does not have all requested scopes")
    return [scope for scope in client.scopes if scope in wanted]
