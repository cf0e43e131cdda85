"""Web Push: the services of browsers, which all speak the same protocol.

Protocol: https://www.rfc-editor.org/rfc/rfc8030. Encryption: https://www.rfc-editor.org/rfc/rfc8291. The sender's
signature (VAPID): https://www.rfc-editor.org/rfc/rfc8292. The address is the browser's subscription as JSON, as
`JSON.stringify` writes it: https://www.w3.org/TR/push-api/#dom-pushsubscription-tojson. Our id travels in the
payload, because the protocol has no field for it.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import http_ece  # type: ignore[import-untyped]
import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from py_vapid import Vapid02, VapidException  # type: ignore[import-untyped]

from cdp.delivery import Accepted, Dispatch, Outcome, Push, Refused, Retry, Setting, Settings
from cdp.delivery.http import HttpSender, outcome_of_status

# What fits in the 4,096 bytes that a service must take (RFC 8291, section 4).
_LARGEST_PLAINTEXT = 3_993
_LONGEST_TTL = timedelta(weeks=4)
# A service refuses signatures that are valid for more than 24 hours.
_SIGNATURE_LIFE = timedelta(hours=12)
_RAW_KEY = re.compile(r"[A-Za-z0-9_-]{43}=?")
# An IP address, however it is written, has a last part that begins with a digit; an internal name often has no dot.
_PUBLIC_NAME = re.compile(r"(?:[a-z0-9_-]+\.)+(?!local$|localhost$|internal$)(?:[a-z]{2,}|xn--[a-z0-9-]+)")
_BAD_SUBSCRIPTION = Refused("bad_subscription", is_address_gone=True)


@dataclass(frozen=True)
class Subscription:
    """A browser's subscription: where to send, and what to encrypt with."""

    endpoint: httpx.URL
    key: ec.EllipticCurvePublicKey
    secret: bytes


def can_send_to(address: str) -> bool:
    """Whether an address is meant to be a subscription; no other token is JSON."""
    return address.startswith("{")


def request(dispatch: Dispatch, settings: Settings, now: datetime) -> httpx.Request | Refused | Retry:
    """The request for a notification; its encryption draws a key and a salt."""
    content = dispatch.content
    assert isinstance(content, Push)
    subscription = subscription_of(dispatch.address)
    # Whoever makes a subscription chooses where we send requests to, such as a service of our own network. A name
    # that leads there is no danger: its owner has no certificate for that service.
    if not subscription or not (settings["allow_any_host"] or is_public(subscription.endpoint)):
        return _BAD_SUBSCRIPTION
    payload = {"title": content.title, "body": content.body, "url": content.url, "data": dict(content.data)}
    plaintext = json.dumps(
        {**payload, "message_id": dispatch.message_id}, ensure_ascii=False, separators=(",", ":")
    ).encode()
    if len(plaintext) > _LARGEST_PLAINTEXT:
        return Refused("payload_too_large")
    try:
        signature = _signature(subscription.endpoint, settings, now)
    except (OSError, ValueError, UnsupportedAlgorithm, VapidException):
        return Retry("bad_vapid_settings")
    ttl = max(timedelta(0), min(dispatch.expires_at - now, _LONGEST_TTL))
    return httpx.Request(
        "POST",
        subscription.endpoint,
        headers={
            "Authorization": signature,
            "TTL": str(int(ttl.total_seconds())),
            "Urgency": "normal",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
        },
        content=http_ece.encrypt(
            plaintext,
            private_key=ec.generate_private_key(ec.SECP256R1()),
            dh=subscription.key,
            auth_secret=subscription.secret,
            version="aes128gcm",
        ),
    )


def subscription_of(address: str) -> Subscription | None:
    """The subscription that an address is; None if it is malformed."""
    try:
        found = json.loads(address)
        endpoint = httpx.URL(found["endpoint"])
        point, secret = _decoded(found["keys"]["p256dh"]), _decoded(found["keys"]["auth"])
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, httpx.InvalidURL):
        return None
    # httpx would sign in with a name and password instead of our signature.
    if endpoint.scheme not in ("https", "http") or not endpoint.host or endpoint.userinfo or len(secret) != 16:
        return None
    return Subscription(endpoint, key, secret)


def is_public(endpoint: httpx.URL) -> bool:
    """Whether an endpoint is HTTPS on a host with a public name."""
    return endpoint.scheme == "https" and bool(_PUBLIC_NAME.fullmatch(endpoint.raw_host.decode().lower()))


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    if response.is_success:
        return Accepted(response.headers.get("Location"))
    if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        return Refused(f"http_{response.status_code}", is_address_gone=True)
    return outcome_of_status(response)


def _signature(endpoint: httpx.URL, settings: Settings, now: datetime) -> str:
    """The header `Authorization`: who sends, to that service, for half a day."""
    claims = {
        "aud": f"{endpoint.scheme}://{endpoint.netloc.decode()}",
        "exp": int((now + _SIGNATURE_LIFE).timestamp()),
        "sub": settings["subject"],
    }
    return str(_key(settings["vapid_private_key"]).sign(claims)["Authorization"])


@lru_cache(maxsize=8)
def _key(setting: str) -> Vapid02:
    if _RAW_KEY.fullmatch(setting):
        return Vapid02.from_raw(setting.rstrip("=").encode())
    # The library's own reader of files makes a new key where there is none.
    key = load_pem_private_key(Path(setting).read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a key of the curve P-256")
    return Vapid02(key)


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))


SENDER = HttpSender(
    channels=("push",),
    settings=(
        Setting("vapid_private_key", "the path of a private key in PEM, or the key itself in base64url"),
        Setting("subject", "whom a push service may turn to: mailto: and an address"),
        Setting("allow_any_host", "not empty: endpoints need not be public, for tests", ""),
    ),
    request=request,
    outcome=outcome,
    suits=can_send_to,
)
