"""Who calls, and what they may do: bearer tokens in requests (RFC 6750)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import OAuth2, SecurityScopes

from api.context import Context, ContextOf
from api.errors import InsufficientScope, InvalidToken, Unauthorised
from api.tokens import Caller
from cdp.store.clients import SCOPES, is_active

# The scheme only documents; it hands on the Authorization header as it came.
_scheme = OAuth2(
    flows={"clientCredentials": {"tokenUrl": "oauth/token", "scopes": SCOPES}},
    scheme_name="OAuth2",
    auto_error=False,
)


async def authorise(
    request: Request,
    required: SecurityScopes,
    context: ContextOf,
    header: Annotated[str | None, Depends(_scheme)],
) -> Caller:
    """The caller, once the token is valid, its client still there and its scope wide enough."""
    caller = _caller(header, context)
    if not await context.read(lambda connection: is_active(connection, caller.client_id)):
        raise InvalidToken
    request.state.client_id = caller.client_id
    if not set(required.scopes) <= caller.scopes:
        raise InsufficientScope(required.scope_str)
    return caller


def _caller(header: str | None, context: Context) -> Caller:
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorised(
            "This needs an access token; POST /oauth/token gives one",
            headers={"WWW-Authenticate": 'Bearer realm="cdp"'},
        )
    return context.tokens.verify(token.strip())


ProfileReader = Annotated[Caller, Security(authorise, scopes=["profiles:read"])]
