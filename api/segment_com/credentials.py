"""The sender of events, by a write key or by an access token with the scope `events:write`.

What a sender says counts only if it has the right to: by a token that may also write consents, or by a write key of
which somebody has said why it may grant. Everything else is a claim (`cdp/consent/effects.py`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import Request

from api.context import Context
from api.errors import Unauthorised
from api.security.auth import authorise, bearer_token
from api.security.basic_auth import basic_credentials
from cdp.access.write_keys import KeyOwner, owner_of
from cdp.store import Store

SCOPE = "events:write"
GRANTING_SCOPE = "consents:write"
# The source of events sent with a token, which names none.
TOKEN_SOURCE = "segment"


class Sender(NamedTuple):
    """Who sends events.

    source: what they are landed under. stamp: what each of them carries as `receivedBy`. is_counted: the request counts
    against its limit already.
    """

    name: str
    source: str
    stamp: dict[str, Any]
    is_counted: bool = False


class InvalidWriteKey(Unauthorised):
    """The write key is missing or invalid. The challenge is Bearer, because Basic would open a dialog in browsers."""

    code = "invalid_write_key"

    def __init__(self) -> None:
        super().__init__("Missing or unknown write key", headers={"WWW-Authenticate": 'Bearer realm="cdp"'})


async def sender_by_header(request: Request, context: Context) -> Sender | None:
    """The sender named by the Authorization header (Basic with the key as user, or Bearer); None without one.

    Raises:
        Unauthorised: the write key or the token is invalid.
        InsufficientScope: the token lacks the scope.
    """
    header = request.headers.get("authorization", "")
    match header.partition(" ")[0].lower():
        case "basic":
            key, _ = basic_credentials(header) or (None, "")
            return await context.ask(lambda store: sender_by_key(store, key)) if key != "" else None
        case "bearer":
            token = bearer_token(request)
            owner = await context.ask(lambda store: owner_of(store, token))
            return _of_key(owner) if owner else await _token_holder(request, token)
    return None


def sender_by_key(store: Store, key: object) -> Sender:
    """The owner of a write key.

    Raises:
        InvalidWriteKey: the key is missing or unknown.
    """
    owner = owner_of(store, key) if isinstance(key, str) else None
    if owner is None:
        raise InvalidWriteKey
    return _of_key(owner)


def _of_key(owner: KeyOwner) -> Sender:
    right = {"mayGrant": owner.may_grant} if owner.may_grant else {}
    return Sender(owner.name, owner.source, {"name": owner.name, "isClaim": not right, **right})


async def _token_holder(request: Request, token: str) -> Sender:
    caller = await authorise(request, token, [SCOPE])
    is_claim = GRANTING_SCOPE not in caller.scopes
    return Sender(caller.client_id, TOKEN_SOURCE, {"name": caller.client_id, "isClaim": is_claim}, is_counted=True)
