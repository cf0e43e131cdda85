"""Vonage's signed webhooks: a JWT (HS256) with the hash of the body.

Format: https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from cdp.webhooks import Refused, Request, Secret, Secrets, Webhook, at_unix, check_age, same
from cdp.webhooks.payloads import by_id

ALGORITHM = "HS256"

# Vonage retries for a day, perhaps with the token of the first attempt.
_MAX_AGE = timedelta(hours=24, minutes=5)


def verify(request: Request, secrets: Secrets, now: datetime) -> None:
    """Raise `Refused` unless the token is signed with the signature secret, and is that of the body."""
    scheme, _, token = request.header("Authorization").partition(" ")
    if scheme.lower() != "bearer":
        raise Refused("the credentials are not a bearer token")
    claims = _claims(token.strip(), secrets["signature_secret"])
    if not same(str(claims.get("payload_hash")), hashlib.sha256(request.body).hexdigest()):
        raise Refused("the body does not match payload_hash")
    check_age(at_unix(str(claims.get("iat")), "iat", now), now, max_age=_MAX_AGE)


def _claims(token: str, secret: str) -> Mapping[str, Any]:
    try:
        return jwt.decode(token, OctKey.import_key(secret), algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError, TypeError):
        raise Refused("the token is not signed with the signature secret") from None


WEBHOOK = Webhook(
    provider="vonage",
    secrets=(Secret("signature_secret", "the account's signature secret"),),
    verify=verify,
    items=by_id(),
    auth_scheme="Bearer",
)
