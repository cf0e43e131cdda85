"""Tokens of an external authorisation server: RFC 9068 JWTs for this API, verified with the keys it publishes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.security.tokens import Accepted, Caller, accept, key_id_of
from cdp.errors import Unavailable

ALGORITHMS = ("ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "EdDSA")

# Keys are fetched again when they are old or a token names an unknown one, but not for every such token.
KEYS_LAST_SECONDS = 600
KEYS_RETRY_SECONDS = 30
MAX_RESPONSE_BYTES = 262_144
TIMEOUT_SECONDS = 5.0
_TOKENS_REMEMBERED = 1_024


class ExternalIssuer:
    """The authorisation server at `issuer`; its tokens must name `audience`.

    clock: the current UTC time. uptime: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        clock: Callable[[], datetime],
        uptime: Callable[[], float] = time.monotonic,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.issuer = issuer
        self._audience = audience
        self._clock = clock
        self._uptime = uptime
        self._transport = transport
        self._keys = KeySet([])
        self._fetched_at = self._tried_at = -float("inf")
        self._fetching = asyncio.Lock()
        self._accepted: dict[str, Accepted] = {}

    async def verify(self, token: str) -> Caller:
        """The client that holds this token.

        Raises:
            InvalidToken: the token is not from this issuer for this API, or it has expired.
            Unavailable: the issuer's keys are not available.
        """
        await self._refresh_keys(key_id_of(token))
        now = self._clock().timestamp()
        accepted = self._accepted.get(token)
        if accepted is None or now >= accepted.expires_at:
            accepted = accept(token, self._keys, ALGORITHMS, self.issuer, self._audience, now)
            self._remember(token, accepted)
        return accepted.caller

    def _remember(self, token: str, accepted: Accepted) -> None:
        if len(self._accepted) >= _TOKENS_REMEMBERED:
            self._accepted.clear()
        self._accepted[token] = accepted

    async def _refresh_keys(self, key_id: str | None) -> None:
        async with self._fetching:
            now = self._uptime()
            is_known = any(key.kid == key_id for key in self._keys.keys)
            is_fresh = now - self._fetched_at < KEYS_LAST_SECONDS
            if (is_known and is_fresh) or now - self._tried_at < KEYS_RETRY_SECONDS:
                self._require_keys()
                return
            self._tried_at = now
            self._keys = await self._fetch_keys()
            # When the issuer withdraws a key, the tokens signed with it become invalid.
            self._accepted.clear()
            self._fetched_at = now

    def _require_keys(self) -> None:
        if not self._keys.keys or self._uptime() - self._fetched_at >= 2 * KEYS_LAST_SECONDS:
            raise self._unavailable("a recent request failed")

    async def _fetch_keys(self) -> KeySet:
        limits = httpx.Timeout(TIMEOUT_SECONDS)
        async with httpx.AsyncClient(timeout=limits, transport=self._transport, follow_redirects=False) as http:
            metadata = await self._metadata(http)
            if metadata.get("issuer") != self.issuer:
                raise self._unavailable("the metadata names another issuer")
            try:
                return KeySet.import_key_set(await self._get(http, str(metadata.get("jwks_uri"))))  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise self._unavailable("the keys cannot be read") from error

    async def _metadata(self, http: httpx.AsyncClient) -> dict[str, Any]:
        """The server's metadata (RFC 8414, section 3.1), or OpenID Connect's."""
        parts = urlsplit(self.issuer)
        rfc_8414 = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
        openid = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            return await self._get(http, rfc_8414)
        except Unavailable:
            return await self._get(http, openid)

    async def _get(self, http: httpx.AsyncClient, url: str) -> dict[str, Any]:
        body = b""
        try:
            async with http.stream("GET", url) as response:
                response.raise_for_status()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MAX_RESPONSE_BYTES:
                        raise self._unavailable("the response is too large")
            answer: dict[str, Any] = json.loads(body)
            return answer
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise self._unavailable(type(error).__name__) from error

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable(f"the token issuer's keys are not available ({why})", where="CDP_OIDC_ISSUER")
