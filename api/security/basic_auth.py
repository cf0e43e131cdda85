"""Clients that show their secret, and HTTP Basic (RFC 7617), by which they may do so."""

from __future__ import annotations

import base64

from fastapi import Request

from api.context import context_of
from cdp.access.clients import KnownClient, OutdatedSecret, authenticate


def basic_credentials(header: str) -> tuple[str, str] | None:
    """(user, password) of an Authorization header; None if it is not one of HTTP Basic."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:  # not Base64, or not UTF-8 within
        return None
    user, _, password = decoded.partition(":")
    return user, password


async def client_by_secret(request: Request, client_id: str, secret: str) -> KnownClient | None:
    """The client that has this id and this secret. Where the answer may not say why there is none, the log does."""
    if "\0" in client_id:  # which PostgreSQL's texts cannot hold
        return None
    try:
        return await context_of(request).ask(lambda store: authenticate(store, client_id, secret))
    except OutdatedSecret as error:
        request.state.reason = error.line()
        return None
