"""A browser's push service: https://www.rfc-editor.org/rfc/rfc8030, rfc8291 and rfc8292.

A subscriber's keys follow from its name, so that whoever knows the name can subscribe, and the service can read along.
"""

from __future__ import annotations

import hashlib
import json
import time

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from tests.delivery.fakes import Called, Reply, Taken


def subscription(service: str, name: str) -> str:
    """The subscription of a browser at the service with this URL, as the browser tells it."""
    point = _key(name).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {"p256dh": urlsafe_b64encode(point).decode(), "auth": urlsafe_b64encode(_secret(name)).decode()}
    return json.dumps({"endpoint": f"{service}/push/{name}", "keys": keys}, separators=(",", ":"))


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    service = f"http://{called.header('Host')}"
    _, push, name = called.path.split("/")
    assert (called.method, push) == ("POST", "push"), called.path
    if not _is_signed(called.header("Authorization"), service):
        return Reply(403, "the signature is not valid"), None
    assert called.header("TTL").isdigit()
    assert called.header("Urgency") in ("very-low", "low", "normal", "high")
    assert called.header("Content-Encoding") == "aes128gcm"
    if len(called.body) > 4096:
        return Reply(413), None
    plaintext = http_ece.decrypt(called.body, private_key=_key(name), auth_secret=_secret(name), version="aes128gcm")
    message = json.loads(plaintext)
    message_id = message["message_id"]
    taken = Taken("webpush", message_id, subscription(f"{service}/webpush", name), message)
    return Reply(201, headers={"Location": f"{service}/webpush/message/{message_id}"}), taken


def _is_signed(authorization: str, service: str) -> bool:
    scheme, _, parameters = authorization.partition(" ")
    found = dict(one.strip().split("=", 1) for one in parameters.split(","))
    assert scheme == "vapid" and found.keys() == {"t", "k"}
    point = urlsafe_b64decode(found["k"].encode())
    key = ECKey.import_key(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))
    # Raises if the signature is wrong.
    claims = jwt.decode(found["t"], key, algorithms=["ES256"]).claims
    return claims["aud"] == service and claims["sub"].startswith("mailto:") and claims["exp"] < time.time() + 86_400


def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(name.encode()).digest()), ec.SECP256R1())


def _secret(name: str) -> bytes:
    return hashlib.sha256(f"secret of {name}".encode()).digest()[:16]
