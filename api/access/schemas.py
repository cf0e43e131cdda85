"""Response bodies of the authorisation server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from api.schemas import Body


class OAuthProblem(Body):
    """An error of the token endpoint (RFC 6749, section 5.2)."""

    error: str
    error_description: str
    code: str
    message: str


class Token(Body):
    """An access token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Lifetime in seconds")
    scope: str = Field(description="Granted scopes, separated by spaces")


class ServerMetadata(Body):
    """Metadata of the authorisation server (RFC 8414)."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]


class KeySet(Body):
    """The public keys for verifying access tokens (RFC 7517)."""

    keys: list[dict[str, JsonValue]]
