"""HTTP Basic (RFC 7617): read a header, and check a client's secret without hashing it on every call."""

from __future__ import annotations

import base64
import hashlib

from anyio import CapacityLimiter, to_thread

from cdp.access.clients import Credentials

_SECRETS_REMEMBERED = 1_024


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


class VerifiedSecrets:
    """Remembers which secrets have matched which hash: a changed hash, such as a rotated client's, is checked anew.

    A secret is 256 random bits, so a plain hash of it gives nothing away.
    """

    def __init__(self, hashing: CapacityLimiter) -> None:
        self._hashing = hashing
        self._matched: dict[bytes, str] = {}

    async def match(self, credentials: Credentials, secret: str) -> bool:
        fingerprint = hashlib.sha256(f"{credentials.client_id}\0{secret}".encode()).digest()
        if self._matched.get(fingerprint) == credentials.secret_hash:
            return True
        if not await to_thread.run_sync(credentials.match, secret, limiter=self._hashing):
            return False
        if len(self._matched) >= _SECRETS_REMEMBERED:
            self._matched.clear()
        self._matched[fingerprint] = credentials.secret_hash
        return True
