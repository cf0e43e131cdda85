"""The token endpoint, and what tokens are worth afterwards."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from api.app import create_app
from api.errors import InvalidToken
from api.security.tokens import TokenService
from cdp.access.clients import remove_client, rotate_client
from cdp.access.keys import Rotations, SigningKeys, load_signing_keys
from cdp.access.tables import clients
from cdp.errors import ConfigurationError
from tests.api.service import ANN, NOW, Service, assert_problem
from tests.cdp.store_urls import on_sqlite

# Tokens and keys; what is read of clients, the tests of the store try on PostgreSQL.
pytestmark = on_sqlite

ISSUER = "https://cdp.example.com"
FORM = {"grant_type": "client_credentials"}


def test_a_token_says_what_rfc_9068_asks_for(lasting: Service) -> None:
    response = lasting.ask_token(lasting.reader)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert {key: body[key] for key in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "profiles:read segments:read",
    }
    keys = KeySet.import_key_set(lasting.http.get("/.well-known/jwks.json").json())
    token = jwt.decode(body["access_token"], keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    assert token.header["kid"] == keys.keys[0].kid
    issued_at = int(NOW.timestamp())
    assert token.claims.pop("jti")
    assert token.claims == {
        **{"iss": ISSUER, "aud": ISSUER, "iat": issued_at, "exp": issued_at + 3600},
        **{"sub": lasting.reader.client_id, "client_id": lasting.reader.client_id},
        "scope": "profiles:read segments:read",
    }


def test_the_key_set_shows_no_private_key(lasting: Service) -> None:
    (key,) = lasting.http.get("/.well-known/jwks.json").json()["keys"]
    assert "d" not in key
    assert {key["kty"], key["crv"], key["alg"], key["use"]} == {"EC", "P-256", "ES256", "sig"}


def test_the_metadata_names_the_endpoints(lasting: Service) -> None:
    found = lasting.http.get("/.well-known/oauth-authorization-server").json()
    assert found["issuer"] == ISSUER
    assert found["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert found["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
    assert found["grant_types_supported"] == ["client_credentials"]
    assert "profiles:read" in found["scopes_supported"]


def test_credentials_may_stand_in_the_form(lasting: Service) -> None:
    credentials = {"client_id": lasting.reader.client_id, "client_secret": lasting.reader.client_secret}
    assert lasting.http.post("/oauth/token", data={**FORM, **credentials}).status_code == 200


def test_a_narrower_scope_may_be_asked_for(lasting: Service) -> None:
    assert lasting.ask_token(lasting.reader, scope="segments:read").json()["scope"] == "segments:read"


def test_a_wider_scope_is_refused(lasting: Service) -> None:
    response = lasting.ask_token(lasting.reader, scope="segments:read events:write")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


def _basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        ({}, {}, 400, "invalid_request"),
        ({"grant_type": ""}, {}, 400, "invalid_request"),
        ({"grant_type": ["client_credentials"] * 2}, {}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "ann@example.com"}, {}, 400, "unsupported_grant_type"),
        (FORM, {"Content-Type": "application/json"}, 400, "invalid_request"),
        (FORM, {}, 401, "invalid_client"),
        ({**FORM, "client_id": "client_nobody", "client_secret": "x"}, {}, 401, "invalid_client"),
        ({**FORM, "client_id": "client\0", "client_secret": "x"}, {}, 401, "invalid_client"),
        ({**FORM, "client_secret": "x"}, _basic("a:b"), 400, "invalid_request"),
        (FORM, _basic("client_nobody:x"), 401, "invalid_client"),
        (FORM, _basic("no colon"), 401, "invalid_client"),
        (FORM, {"Authorization": "Basic ä".encode("latin-1")}, 401, "invalid_client"),
        (FORM, {"Authorization": "Bearer x"}, 401, "invalid_client"),
    ],
)
def test_refusals_are_those_of_rfc_6749(
    lasting: Service, form: dict[str, Any], headers: dict[str, Any], status: int, error: str
) -> None:
    response = lasting.http.post("/oauth/token", data=form, headers=headers)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers.get("www-authenticate", "").startswith("Basic") == (status == 401)
    assert {"error", "error_description", "code", "message"} == response.json().keys()
    assert "example.com" not in response.text


def test_a_body_that_is_not_utf_8_is_refused(lasting: Service) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = lasting.http.post("/oauth/token", content=b"grant_type=\xff", headers=form)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_a_long_form_is_refused(lasting: Service) -> None:
    response = lasting.http.post("/oauth/token", data={**FORM, "client_secret": "x" * 20_000})
    assert_problem(response, 413, "payload_too_large")


def test_the_wrong_secret_is_refused(lasting: Service) -> None:
    response = lasting.http.post("/oauth/token", data=FORM, auth=(lasting.reader.client_id, "wrong"))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_a_rotated_secret_is_void(service: Service) -> None:
    old = service.reader
    with service.store.write() as connection:
        new = rotate_client(connection, "reader", NOW)
    assert service.ask_token(old).status_code == 401
    assert service.ask_token(new).status_code == 200


def test_a_secret_of_an_earlier_version_is_refused_and_the_log_says_why(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = service.reader
    wrong = service.http.post("/oauth/token", data=FORM, auth=(reader.client_id, "wrong"))
    with service.store.write() as connection:
        earlier = clients.update().where(clients.c.client_id == reader.client_id).values(secret_hash="$argon2id$v=19$x")
        connection.execute(earlier)
    capsys.readouterr()
    service.http = TestClient(create_app(service.settings, clock=service.clock))
    refused = service.ask_token(reader)
    space = service.http.get(
        "/v1/spaces/s/collections/users/profiles/email:a@b.example/traits",
        auth=(reader.client_id, reader.client_secret),
    )
    assert (refused.status_code, refused.json()) == (wrong.status_code, wrong.json())
    assert space.status_code == 401
    assert "earlier" not in space.text
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    reasons = [line["reason"] for line in logged if line["event"] == "request"]
    assert len(reasons) == 2
    for reason in reasons:
        assert reason.startswith("client 'reader' has a secret of an earlier version")
        assert "`cdp clients rotate reader`" in reason
        assert reader.client_secret not in reason


def _read(service: Service, token: str) -> int:
    response = service.http.get(f"/v1/profiles/{ANN}", headers={"Authorization": f"Bearer {token}"})
    if response.status_code == 401:
        assert_problem(response, 401, "invalid_token")
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
    return response.status_code


def test_a_token_is_good_for_an_hour(service: Service) -> None:
    token = service.ask_token(service.reader).json()["access_token"]
    service.clock.advance(minutes=59, seconds=59)
    assert _read(service, token) == 200
    service.clock.advance(seconds=1)
    assert _read(service, token) == 401


def test_a_removed_client_is_out_at_once(service: Service) -> None:
    token = service.ask_token(service.reader).json()["access_token"]
    assert _read(service, token) == 200
    with service.store.write() as connection:
        remove_client(connection, "reader", NOW)
    assert _read(service, token) == 401


def _changed(**claims: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda found: {name: value for name, value in {**found, **claims}.items() if value is not None}


@pytest.mark.parametrize(
    ("header", "change", "status"),
    [
        ({}, _changed(), 200),
        ({"typ": "application/at+jwt"}, _changed(), 200),
        ({"typ": "JWT"}, _changed(), 401),
        ({}, _changed(aud="https://other.example.com"), 401),
        ({}, _changed(aud=None), 401),
        ({}, _changed(iss="https://other.example.com"), 401),
        ({}, _changed(iss=None), 401),
        ({}, _changed(exp=None), 401),
        ({}, _changed(exp="tomorrow"), 401),
        ({}, _changed(iat=4_000_000_000), 401),
        ({}, _changed(scope=None), 401),
        ({}, _changed(client_id=["a"]), 401),
        ({}, _changed(client_id="client_nobody"), 401),
    ],
)
def test_only_tokens_for_this_api_are_good(
    lasting: Service, header: dict[str, str], change: Callable[[dict[str, Any]], dict[str, Any]], status: int
) -> None:
    key = load_signing_keys(lasting.home).current
    genuine = jwt.decode(lasting.ask_token(lasting.reader).json()["access_token"], key)
    token = jwt.encode({**genuine.header, **header}, change(genuine.claims), key, algorithms=["ES256"])
    assert _read(lasting, token) == status


def test_a_token_signed_by_another_is_refused(lasting: Service) -> None:
    genuine = lasting.ask_token(lasting.reader).json()["access_token"]
    claims = jwt.decode(genuine, load_signing_keys(lasting.home).current).claims
    header, payload, signature = genuine.split(".")
    wider = base64.urlsafe_b64encode(json.dumps({**claims, "scope": "profiles:read x"}).encode())
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    public = lasting.http.get("/.well-known/jwks.json").json()["keys"][0]
    as_secret = OctKey.import_key(json.dumps(public))
    strangers_key = ECKey.generate_key("P-256")
    forged = [
        f"{header}.{wider.rstrip(b'=').decode()}.{signature}",
        f"{unsigned}.{payload}.",
        f"{unsigned}.{payload}.{signature}",
        jwt.encode({"alg": "ES256", "typ": "at+jwt"}, claims, strangers_key),
        jwt.encode({"alg": "HS256", "typ": "at+jwt"}, claims, as_secret),
        *(genuine[:-1], genuine + "x", "x", "..", "a.b.c", "e30.e30.e30", header),
    ]
    assert [_read(lasting, token) for token in forged] == [401] * len(forged)
    assert _read(lasting, genuine) == 200


def test_the_key_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    first = load_signing_keys(tmp_path).current
    assert load_signing_keys(tmp_path).current.thumbprint() == first.thumbprint()
    (file,) = (tmp_path / "keys").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_workers_that_start_at_once_share_a_key(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda home: load_signing_keys(home).current, [tmp_path] * 8))
    assert len({key.thumbprint() for key in keys}) == 1
    assert [file.name for file in (tmp_path / "keys").iterdir()] == ["signing.pem"]


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\n"])
def test_a_broken_key_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "signing.pem").write_text(text)
    with pytest.raises(ConfigurationError, match=r"signing\.pem"):
        load_signing_keys(tmp_path)


def _rotate(service: Service) -> TestClient:
    """The API started again after its key was retired, as cdp/access/keys.py says."""
    keys = service.home / "keys"
    (keys / "signing.pem").rename(keys / "retired-2026-07.pem")
    create_app(service.settings, clock=service.clock)
    made_at = service.clock().timestamp()
    os.utime(keys / "signing.pem", (made_at, made_at))
    return TestClient(create_app(service.settings, clock=service.clock))


def test_after_a_rotation_old_tokens_live_on_and_new_ones_have_the_new_key(service: Service) -> None:
    old = service.ask_token(service.reader).json()["access_token"]
    (old_key,) = service.http.get("/.well-known/jwks.json").json()["keys"]
    service.http = _rotate(service)
    new = service.ask_token(service.reader).json()["access_token"]
    published = [key["kid"] for key in service.http.get("/.well-known/jwks.json").json()["keys"]]
    assert len(published) == 2
    assert published[1] == old_key["kid"]
    assert jwt.decode(new, load_signing_keys(service.home).current).header["kid"] == published[0]
    assert (_read(service, old), _read(service, new)) == (200, 200)


def test_a_worker_that_is_not_started_again_yet_takes_the_tokens_of_one_that_is(service: Service) -> None:
    old = service.ask_token(service.reader).json()["access_token"]
    (old_key,) = service.http.get("/.well-known/jwks.json").json()["keys"]
    still_old, service.http = service.http, _rotate(service)
    new = service.ask_token(service.reader).json()["access_token"]
    service.http = still_old
    assert (_read(service, new), _read(service, old)) == (200, 200)
    assert old_key["kid"] in [key["kid"] for key in still_old.get("/.well-known/jwks.json").json()["keys"]]
    assert jwt.decode(service.ask_token(service.reader).json()["access_token"], load_signing_keys(service.home).current)


def test_forged_tokens_of_unknown_keys_have_no_key_read(tmp_path: Path) -> None:
    known, reads = load_signing_keys(tmp_path), []

    def load() -> SigningKeys:
        reads.append(1)
        return load_signing_keys(tmp_path)

    tokens = TokenService(known, ISSUER, lambda: NOW, Rotations(tmp_path / "keys" / "signing.pem", load))
    strangers = ECKey.generate_key("P-256")
    for _ in range(10):
        with pytest.raises(InvalidToken):
            tokens.verify(jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "unknown"}, {}, strangers))
    assert len(reads) <= 1


@pytest.mark.parametrize("found", [None, "half a key"])
def test_while_a_rotation_is_under_way_the_known_keys_hold(service: Service, found: str | None) -> None:
    old = service.ask_token(service.reader).json()["access_token"]
    key = service.home / "keys" / "signing.pem"
    key.rename(key.with_name("retired-2026-07.pem"))
    if found:
        key.write_text(found)
    unknown = jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "unknown"}, {}, ECKey.generate_key("P-256"))
    assert (_read(service, unknown), _read(service, old)) == (401, 200)
    # A key is made by a start, not by whoever sends a token.
    assert key.exists() == (found is not None)


def test_a_retired_key_ends_with_the_last_token_that_it_may_have_signed(service: Service) -> None:
    old_key = load_signing_keys(service.home).current
    service.http = _rotate(service)
    service.clock.advance(hours=1)
    fresh = service.ask_token(service.reader).json()["access_token"]
    claims = jwt.decode(fresh, load_signing_keys(service.home).current).claims
    forged = jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": old_key.kid}, claims, old_key)
    assert (_read(service, forged), _read(service, fresh)) == (401, 200)
    assert len(service.http.get("/.well-known/jwks.json").json()["keys"]) == 1
