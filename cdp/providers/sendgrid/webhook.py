"""SendGrid's Signed Event Webhook: ECDSA on P-256 with SHA-256, over the timestamp header and the raw body.

Format: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features.
The verification key is shown in the console as base64 of its DER form.
"""

from __future__ import annotations

import base64
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from cdp.webhooks import Refused, Request, Secret, Secrets, UnusableSecret, Webhook, at_unix, check_age, from_base64
from cdp.webhooks.payloads import by_id

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"


def verify(request: Request, secrets: Secrets, now: datetime) -> None:
    """Raise `Refused` unless the body and the timestamp are signed with the key."""
    key = _public_key(secrets["public_key"])
    signature = from_base64(request.header(SIGNATURE), SIGNATURE)
    timestamp = request.header(TIMESTAMP)
    try:
        key.verify(signature, timestamp.encode() + request.body, ECDSA(SHA256()))
    except InvalidSignature:
        raise Refused("the signature does not match") from None
    check_age(at_unix(timestamp, TIMESTAMP, now), now)


def _public_key(text: str) -> EllipticCurvePublicKey:
    """The key in a text: base64 of DER, with or without the frame and the line breaks of PEM."""
    lines = [line.strip() for line in text.split("\n")]
    der = "".join(line for line in lines if not line.startswith("-----"))
    try:
        key = load_der_public_key(base64.b64decode(der, validate=True))
    except ValueError:
        raise UnusableSecret("public_key is not a public key in base64") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise UnusableSecret("public_key is not a key on the curve P-256")
    return key


WEBHOOK = Webhook(
    provider="sendgrid",
    secrets=(Secret("public_key", "the verification key of the signed event webhook", _public_key),),
    verify=verify,
    items=by_id("sg_event_id"),
)
