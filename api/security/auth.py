"""Authentication and authorisation of requests by bearer tokens (RFC 6750)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import OAuth2, SecurityScopes

from api.context import Context, context_of
from api.errors import InsufficientScope, InvalidToken, Unauthorised
from api.security.tokens import Caller
from cdp.access.clients import SCOPES, is_active


class Authorise(OAuth2):
    """The security scheme that documents routes, and the check itself: one dependency, because each costs 20 µs."""

    def __init__(self) -> None:
        flows = {"clientCredentials": {"tokenUrl": "oauth/token", "scopes": SCOPES}}
        super().__init__(flows=flows, scheme_name="OAuth2")

    async def __call__(self, request: Request, required: SecurityScopes) -> Caller:  # type: ignore[override]
        """The caller, once the token is valid, its client still there and its scope wide enough.

        Raises:
            Unauthorised, InvalidToken, InsufficientScope: it is not so.
            TooManyRequests: the client has used up its share.
        """
        return await authorise(request, bearer_token(request), required.scopes)


async def authorise(request: Request, token: str, scopes: list[str]) -> Caller:
    """The holder of `token`, allowed all of `scopes`; counts the request against its limit."""
    context = context_of(request)
    caller = await caller_of(context, token)
    admit(request, caller, scopes)
    return caller


async def caller_of(context: Context, token: str) -> Caller:
    """The client that holds a valid token. A client of ours must still be there; others' issuers vouch for theirs."""
    if context.issuer is not None and not context.tokens.is_ours(token):
        return await context.issuer.verify(token)
    caller = context.tokens.verify(token)
    if not await context.ask(lambda store: is_active(store, caller.client_id)):
        raise InvalidToken
    return caller


def admit(request: Request, caller: Caller, scopes: list[str]) -> None:
    """Let an authenticated caller pass, within its scope and its limit."""
    request.state.client_id = caller.client_id
    count_request(request, caller.client_id)
    if not caller.scopes.issuperset(scopes):
        raise InsufficientScope(" ".join(scopes))


def count_request(request: Request, client: str, cost: int = 1) -> None:
    """Count `cost` requests of `client` (a client's id, or a write key's hash); the answer tells it where it stands.

    Raises:
        TooManyRequests: it has none left.
    """
    context = context_of(request)
    request.state.headers = context.limit.take(client, context.uptime(), cost)


def bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorised(
            "This needs an access token; POST /oauth/token gives one",
            headers={"WWW-Authenticate": 'Bearer realm="cdp"'},
        )
    return token.strip()


_authorise = Authorise()

ProfileReader = Annotated[Caller, Security(_authorise, scopes=["profiles:read"])]
SegmentReader = Annotated[Caller, Security(_authorise, scopes=["segments:read"])]
DecisionReader = Annotated[Caller, Security(_authorise, scopes=["decisions:read"])]
DebugReader = Annotated[Caller, Security(_authorise, scopes=["debug:read"])]
ConsentReader = Annotated[Caller, Security(_authorise, scopes=["consents:read"])]
ConsentWriter = Annotated[Caller, Security(_authorise, scopes=["consents:write"])]
MessageSender = Annotated[Caller, Security(_authorise, scopes=["messages:send"])]
MessageReader = Annotated[Caller, Security(_authorise, scopes=["messages:read"])]
