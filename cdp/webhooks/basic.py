"""HTTP Basic authentication (RFC 7617), for providers that do not sign their webhooks."""

from __future__ import annotations

from datetime import datetime

from cdp.webhooks import Refused, Request, Secrets, from_base64, same


def verify(request: Request, secrets: Secrets, now: datetime) -> None:
    """Raise `Refused` unless the request has the configured user name and password."""
    scheme, _, encoded = request.header("Authorization").partition(" ")
    if scheme.lower() != "basic":
        raise Refused("the credentials are not HTTP Basic")
    given = from_base64(encoded.strip(), "Authorization").decode(errors="replace")
    if not same(given, f"{secrets['username']}:{secrets['password']}"):
        raise Refused("wrong user name or password")
