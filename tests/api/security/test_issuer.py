"""Access tokens of an external authorisation server, which publishes its keys over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from api.app import create_app
from api.errors import InvalidToken
from api.security.issuer import KEYS_LAST_SECONDS, KEYS_RETRY_SECONDS, MAX_RESPONSE_BYTES, ExternalIssuer
from cdp.errors import Unavailable
from cdp.settings import Settings
from tests.api.service import ANN, NOW, Clock, Service, assert_problem
from tests.cdp.store_urls import on_sqlite

# Tokens and keys of another issuer: nothing of that is in the store.
pytestmark = on_sqlite

AUDIENCE = "https://cdp.example.com"
METADATA, OPENID, KEYS = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/keys"


@dataclass
class Server:
    """An authorisation server: its responses by path, and the requested paths."""

    url: str
    key: ECKey | RSAKey
    responses: dict[str, bytes] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)

    def publish(self, key: ECKey | RSAKey, path: str = METADATA) -> None:
        self.key = key
        self.responses[path] = json.dumps({"issuer": self.url, "jwks_uri": self.url + KEYS}).encode()
        self.responses[KEYS] = json.dumps({"keys": [key.as_dict(private=False)]}).encode()

    def token(self, key: ECKey | RSAKey | None = None, typ: str = "at+jwt", **changed: Any) -> str:
        now = int(NOW.timestamp())
        claims = {
            **{"iss": self.url, "aud": AUDIENCE, "sub": "s", "client_id": "partner", "jti": "1"},
            **{"scope": "profiles:read other", "iat": now, "exp": now + 600, **changed},
        }
        signer = key or self.key
        algorithm = "RS256" if signer.key_type == "RSA" else "ES256"
        return jwt.encode({"alg": algorithm, "typ": typ, "kid": signer.kid}, claims, signer, algorithms=[algorithm])


def new_key() -> ECKey:
    key = ECKey.generate_key("P-256")
    key.ensure_kid()
    return key


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requested.append(self.path)
            body = found.responses.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Server(f"http://127.0.0.1:{http.server_port}", new_key())
    found.publish(found.key)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    yield found
    http.shutdown()
    http.server_close()


@pytest.fixture
def service(server: Server, tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path / "home")
    service.publish()
    settings = Settings(home=tmp_path / "home", public_url=AUDIENCE, oidc_issuer=server.url)
    with TestClient(create_app(settings, clock=service.clock)) as http:
        service.http = http
        yield service


def read(service: Service, token: str, path: str = f"/v1/profiles/{ANN}") -> int:
    return service.http.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


def test_external_tokens_are_valid_within_their_scope(service: Service, server: Server) -> None:
    token = server.token()
    assert [read(service, token) for _ in range(3)] == [200] * 3
    assert read(service, token, "/v1/segments") == 403
    assert server.requested == [METADATA, KEYS]
    service.clock.advance(seconds=600)
    assert read(service, token) == 401


def test_own_tokens_remain_valid(service: Service, server: Server) -> None:
    assert service.get(f"/v1/profiles/{ANN}").status_code == 200
    assert server.requested == []


def test_rsa_keys_and_openid_metadata_are_supported(service: Service, server: Server) -> None:
    key = RSAKey.generate_key(2048)
    key.ensure_kid()
    server.responses.clear()
    server.publish(key, OPENID)
    assert read(service, server.token()) == 200
    assert server.requested == [METADATA, OPENID, KEYS]


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://other.example.com"},
        {"iss": "https://other.example.com"},
        {"exp": int(NOW.timestamp())},
        {"iat": int(NOW.timestamp()) + 3_600},
        {"scope": None},
        {"client_id": 7},
        {"typ": "JWT"},
    ],
)
def test_tokens_for_other_apis_and_invalid_claims_are_refused(
    service: Service, server: Server, changed: dict[str, Any]
) -> None:
    assert read(service, server.token(**changed)) == 401


def test_a_token_with_a_known_key_id_but_another_key_is_refused(service: Service, server: Server) -> None:
    imposter = ECKey.import_key({**new_key().as_dict(private=True), "kid": server.key.kid})
    assert read(service, server.token(imposter)) == 401


@pytest.mark.parametrize(
    "broken",
    [
        {METADATA: None, OPENID: None},
        {METADATA: b"no json", OPENID: b"no json"},
        {METADATA: b'{"issuer": "https://other.example.com"}'},
        {KEYS: None},
        {KEYS: b"{}"},
        {KEYS: b'{"keys": [{"kty": "?"}]}'},
        {KEYS: b" " * (MAX_RESPONSE_BYTES + 1)},
    ],
)
def test_without_the_issuers_keys_the_api_is_unavailable(
    service: Service, server: Server, broken: dict[str, bytes | None]
) -> None:
    for path, body in broken.items():
        server.responses.pop(path, None)
        if body is not None:
            server.responses[path] = body
    headers = {"Authorization": f"Bearer {server.token()}"}
    for _ in range(2):
        response = service.http.get(f"/v1/profiles/{ANN}", headers=headers)
        assert_problem(response, 503, "unavailable")
        assert int(response.headers["retry-after"]) > 0
    assert len(server.requested) <= 3


class Uptime:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def _verify(issuer: ExternalIssuer, token: str) -> str:
    try:
        return (await issuer.verify(token)).client_id
    except (InvalidToken, Unavailable) as error:
        return error.code


def test_keys_are_fetched_again_but_not_for_every_token(server: Server) -> None:
    async def walk() -> None:
        uptime = Uptime()
        issuer = ExternalIssuer(server.url, AUDIENCE, Clock(), uptime)
        old = server.token()
        assert await _verify(issuer, old) == "partner"
        server.publish(new_key())
        new = server.token()
        # Anyone can send a token with an unknown key, so it must not cause a fetch at once.
        assert [await _verify(issuer, new) for _ in range(5)] == ["invalid_token"] * 5
        assert len(server.requested) == 2
        uptime.seconds = KEYS_RETRY_SECONDS
        assert await _verify(issuer, new) == "partner"
        assert await _verify(issuer, old) == "invalid_token"
        assert len(server.requested) == 4
        uptime.seconds += KEYS_LAST_SECONDS
        server.publish(new_key())
        assert await _verify(issuer, new) == "invalid_token"

    asyncio.run(walk())


def test_cached_keys_of_an_unavailable_issuer_expire(server: Server) -> None:
    async def walk() -> None:
        uptime = Uptime()
        issuer = ExternalIssuer(server.url, AUDIENCE, Clock(), uptime)
        token = server.token()
        assert await _verify(issuer, token) == "partner"
        server.responses.clear()
        uptime.seconds = KEYS_LAST_SECONDS
        assert await _verify(issuer, token) == "unavailable"
        uptime.seconds += 1
        assert await _verify(issuer, token) == "partner"
        uptime.seconds = 2 * KEYS_LAST_SECONDS
        assert [await _verify(issuer, token) for _ in range(2)] == ["unavailable"] * 2

    asyncio.run(walk())
