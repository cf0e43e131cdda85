"""Access tokens: RFC 9068 JWTs, signed and verified with the home's own keys."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import ClaimsOption

from api.errors import InvalidToken
from cdp.access.keys import Rotations, SigningKeys

ALGORITHM = "ES256"
LIFETIME = timedelta(hours=1)
MEDIA_TYPES = ("at+jwt", "application/at+jwt")

_TOKENS_REMEMBERED = 1_024


@dataclass(frozen=True)
class Caller:
    """The client that a token was issued to, and the scopes of the token."""

    client_id: str
    scopes: frozenset[str]


@dataclass(frozen=True)
class Accepted:
    """A token with valid signature and claims, until `expires_at` (seconds since 1970)."""

    caller: Caller
    key_id: str
    expires_at: float


class TokenService:
    """Issues and verifies tokens for the API at `issuer`, which is also their audience.

    rotations: tells of newer keys, with which another worker may sign before this one is started again.
    """

    def __init__(
        self, keys: SigningKeys, issuer: str, clock: Callable[[], datetime], rotations: Rotations[SigningKeys]
    ) -> None:
        self.issuer = issuer
        self._clock = clock
        self._rotations = rotations
        self._use(keys)

    def _use(self, keys: SigningKeys) -> None:
        self._keys = keys
        self._key_set = KeySet([keys.current, *keys.retired])
        # Verifying a signature takes 150 µs, and the result never changes; expiry is checked on every call.
        self._accepted = lru_cache(_TOKENS_REMEMBERED)(self._accept)

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
        header = {"alg": ALGORITHM, "typ": MEDIA_TYPES[0], "kid": self._keys.current.kid}
        return jwt.encode(header, claims, self._keys.current, algorithms=[ALGORITHM])

    def verify(self, token: str) -> Caller:
        """The client that holds this token.

        Raises:
            InvalidToken: the token was not issued by this API, or it has expired.
        """
        accepted, now = self._accepted(token), self._clock().timestamp()
        if now >= accepted.expires_at or not self._is_in_use(accepted.key_id, now):
            raise InvalidToken
        return accepted.caller

    def is_ours(self, token: str) -> bool:
        """Whether the token names one of our keys; it may still be forged."""
        key_id = key_id_of(token)
        return self._has(key_id) or (self._keep_up() and self._has(key_id))

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set for verifying tokens."""
        self._keep_up()
        now = self._clock().timestamp()
        return {"keys": [key.as_dict(private=False) for key in self._key_set if self._is_in_use(str(key.kid), now)]}

    def _has(self, key_id: str | None) -> bool:
        return any(key.kid == key_id for key in self._key_set.keys)

    def _keep_up(self) -> bool:
        """Use newer keys, if there are any; whether there are."""
        keys = self._rotations.news()
        if keys:
            self._use(keys)
        return keys is not None

    def _is_in_use(self, key_id: str, now: float) -> bool:
        """A retired key is valid until the last token that it signed expires, one lifetime after the rotation."""
        return key_id == self._keys.current.kid or now < self._keys.rotated_at + LIFETIME.total_seconds()

    def _accept(self, token: str) -> Accepted:
        if not self.is_ours(token):
            raise InvalidToken
        return accept(token, self._key_set, [ALGORITHM], self.issuer, self.issuer, self._clock().timestamp())


def accept(token: str, keys: KeySet, algorithms: Sequence[str], issuer: str, audience: str, now: float) -> Accepted:
    """Verify a token as in RFC 9068, section 4: its type, signature, issuer, audience and times.

    Raises:
        InvalidToken: the token is invalid.
    """
    rules = jwt.JWTClaimsRegistry(int(now), iss=_must_be(issuer), aud=_must_be(audience), exp={"essential": True})
    try:
        decoded = jwt.decode(token, keys, algorithms=algorithms)
        rules.validate(decoded.claims)
        if str(decoded.header.get("typ")).lower() not in MEDIA_TYPES:
            raise ValueError("not an access token")
    except (JoseError, ValueError) as error:
        raise InvalidToken from error
    return Accepted(_caller(decoded.claims), str(decoded.header.get("kid")), decoded.claims["exp"])


def key_id_of(token: str) -> str | None:
    """The id of the key that a token claims to be signed with."""
    try:
        return jws.extract_compact(token.encode()).headers().get("kid")
    except (JoseError, ValueError):
        return None


def _must_be(value: str) -> ClaimsOption:
    return {"essential": True, "value": value}


def _caller(claims: dict[str, Any]) -> Caller:
    client_id, scope = claims.get("client_id"), claims.get("scope")
    if not isinstance(client_id, str) or not isinstance(scope, str):
        raise InvalidToken
    return Caller(client_id, frozenset(scope.split()))
