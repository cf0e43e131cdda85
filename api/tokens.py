"""Access tokens: JWTs as RFC 9068 wants them, signed and checked with the home's own key."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jwt import ClaimsOption

from api.errors import InvalidToken

ALGORITHM = "ES256"
LIFETIME = timedelta(hours=1)
MEDIA_TYPES = ("at+jwt", "application/at+jwt")

_TOKENS_REMEMBERED = 1_024


@dataclass(frozen=True)
class Caller:
    """The client that a token was given to, and what the token allows."""

    client_id: str
    scopes: frozenset[str]


class TokenService:
    """Issues tokens for the API at `issuer`, which is their audience too, and checks them."""

    def __init__(self, key: ECKey, issuer: str, clock: Callable[[], datetime]) -> None:
        self.issuer = issuer
        self._key = key
        self._clock = clock
        # A signature takes 150 µs to check and never changes; the times are checked on every call.
        self._claims = lru_cache(_TOKENS_REMEMBERED)(self._signed_claims)

    def issue(self, client_id: str, scopes: Iterable[str]) -> str:
        now = int(self._clock().timestamp())
        claims = {
            "iss": self.issuer,
            "sub": client_id,
            "aud": self.issuer,
            "client_id": client_id,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + int(LIFETIME.total_seconds()),
            "jti": str(uuid.uuid4()),
        }
        header = {"alg": ALGORITHM, "typ": MEDIA_TYPES[0], "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])

    def verify(self, token: str) -> Caller:
        """Who holds this token.

        Raises:
            InvalidToken: it is not a token of ours for this API, or it has expired.
        """
        try:
            claims = self._claims(token)
            self._rules().validate(claims)
        except (JoseError, ValueError) as error:
            raise InvalidToken from error
        return Caller(claims["client_id"], frozenset(claims["scope"].split()))

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set that others check tokens with."""
        return {"keys": [self._key.as_dict(private=False)]}

    def _signed_claims(self, token: str) -> dict[str, Any]:
        decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
        if str(decoded.header.get("typ")).lower() not in MEDIA_TYPES:
            raise ValueError("not an access token")
        if not all(isinstance(decoded.claims.get(name), str) for name in ("client_id", "scope")):
            raise ValueError("without client or scope")
        return decoded.claims

    def _rules(self) -> jwt.JWTClaimsRegistry:
        ours: ClaimsOption = {"essential": True, "value": self.issuer}
        now = int(self._clock().timestamp())
        return jwt.JWTClaimsRegistry(now, iss=ours, aud=ours, exp={"essential": True})
