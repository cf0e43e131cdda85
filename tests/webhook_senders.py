"""The providers' side of their webhooks: requests signed as they sign them, with keys made here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from pydantic import TypeAdapter

from cdp.errors import Unavailable
from cdp.settings import WebhookSecrets
from cdp.webhooks import Request

PUBLIC_URL = "https://cdp.example.com"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
TOPIC = "arn:aws:sns:us-east-1:111111111111:mail"
CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
CONFIRM_URL = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
STANDARD_KEY = b"a key of 24 bytes, or so"
STANDARD_SECRET = f"whsec_{base64.b64encode(STANDARD_KEY).decode()}"
OTHER_STANDARD_KEY = b"another key of 24 bytes!"
OTHER_STANDARD_SECRET = f"whsec_{base64.b64encode(OTHER_STANDARD_KEY).decode()}"

_SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())


def public_key_of(key: ec.EllipticCurvePrivateKey) -> str:
    """The public key as SendGrid shows it."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def new_public_key() -> str:
    return public_key_of(ec.generate_private_key(ec.SECP256R1()))


def secrets_of(values: Mapping[str, Mapping[str, str]]) -> WebhookSecrets:
    """The settings of webhooks that hold these values, by provider and name."""
    return TypeAdapter(WebhookSecrets).validate_python(values)


SECRETS = secrets_of(
    {
        "sendgrid": {"public_key": public_key_of(_SENDGRID_KEY)},
        "twilio": {"auth_token": "12345"},
        "mailgun": {"signing_key": "mailgun key"},
        "postmark": {"username": "user", "password": "pass:word"},
        "ses": {"topic_arns": f"arn:aws:sns:us-east-1:1:other, {TOPIC}"},
        "whatsapp": {"app_secret": "app secret", "verify_token": "verify me"},
        "messenger": {"app_secret": "messenger secret", "verify_token": "verify messenger"},
        "telegram": {"secret_token": "telegram-secret"},
        "shopify": {"secret": "shopify secret"},
        "segment": {"secret": STANDARD_SECRET},
        "fcm": {"secret": OTHER_STANDARD_SECRET},
    }
)


def sendgrid(events: Any, now: datetime) -> Request:
    return signed_by_sendgrid(json.dumps(events).encode(), now)


def signed_by_sendgrid(body: bytes, now: datetime) -> Request:
    timestamp = str(int(now.timestamp()))
    signature = _SENDGRID_KEY.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return _request(
        "sendgrid",
        body,
        {
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": timestamp,
        },
    )


def twilio(fields: Mapping[str, str], now: datetime) -> Request:
    url = f"{PUBLIC_URL}/webhooks/twilio"
    text = url + "".join(f"{name}{value}" for name, value in sorted(fields.items()))
    signature = base64.b64encode(hmac.digest(b"12345", text.encode(), "sha1")).decode()
    return Request(urlencode(fields).encode(), {"content-type": FORM, "x-twilio-signature": signature}, url)


def mailgun(event: Mapping[str, Any], now: datetime, token: str = "token") -> Request:
    timestamp = str(int(now.timestamp()))
    signature = hmac.digest(b"mailgun key", f"{timestamp}{token}".encode(), "sha256").hex()
    signed = {"timestamp": timestamp, "token": token, "signature": signature}
    return _request("mailgun", json.dumps({"signature": signed, "event-data": event}).encode(), {})


def postmark(record: Any, now: datetime) -> Request:
    credentials = base64.b64encode(b"user:pass:word").decode()
    return _request("postmark", json.dumps(record).encode(), {"authorization": f"Basic {credentials}"})


def ses(event: Any, now: datetime, version: str = "2", **more: str) -> Request:
    message = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": json.dumps(event),
        "Timestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        **more,
    }
    return _request("ses", json.dumps(message | {"Signature": _sns_signature(message)}).encode(), {})


def ses_confirmation(now: datetime, url: str = CONFIRM_URL) -> Request:
    return ses({}, now, Type="SubscriptionConfirmation", Token="t", SubscribeURL=url)


def whatsapp(body: Any, now: datetime) -> Request:
    text = json.dumps(body).encode()
    digest = hmac.digest(b"app secret", text, "sha256").hex()
    return _request("whatsapp", text, {"x-hub-signature-256": f"sha256={digest}"})


def messenger(body: Any, now: datetime) -> Request:
    text = json.dumps(body).encode()
    digest = hmac.digest(b"messenger secret", text, "sha256").hex()
    return _request("messenger", text, {"x-hub-signature-256": f"sha256={digest}"})


TELEGRAM_HEADER = "x-telegram-bot-api-secret-token"


def telegram(update: Any, now: datetime) -> Request:
    return _request("telegram", json.dumps(update).encode(), {TELEGRAM_HEADER: "telegram-secret"})


def shopify(document: Any, now: datetime) -> Request:
    body = json.dumps(document).encode()
    digest = hmac.digest(b"shopify secret", body, "sha256")
    return _request("shopify", body, {"x-shopify-hmac-sha256": base64.b64encode(digest).decode()})


def standard(
    body: Any, now: datetime, source: str = "segment", message_id: str = "msg_1", key: bytes = STANDARD_KEY
) -> Request:
    text, timestamp = json.dumps(body).encode(), str(int(now.timestamp()))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + text, hashlib.sha256)
    return _request(
        source,
        text,
        {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        },
    )


SENDERS: Mapping[str, Callable[[Any, datetime], Request]] = {
    "sendgrid": sendgrid,
    "twilio": twilio,
    "mailgun": mailgun,
    "postmark": postmark,
    "ses": ses,
    "whatsapp": whatsapp,
    "messenger": messenger,
    "telegram": telegram,
    "shopify": shopify,
    "segment": standard,
}


@dataclass
class Amazon:
    """Stands in for SNS's host: gives the certificate, notes what is asked for."""

    certificate: bytes = field(default_factory=lambda: _certificate().public_bytes(Encoding.PEM))
    asked: list[str] = field(default_factory=list)
    is_down: bool = False

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.is_down:
            raise Unavailable("the webhook's provider cannot be reached")
        return self.certificate if url == CERTIFICATE_URL else b"<ConfirmSubscriptionResponse/>"


def _request(source: str, body: bytes, headers: Mapping[str, str]) -> Request:
    return Request(body, {"content-type": JSON, **headers}, f"{PUBLIC_URL}/webhooks/{source}")


@cache
def _sns_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


@cache
def _certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=365))
    return builder.public_key(_sns_key().public_key()).sign(_sns_key(), hashes.SHA256())


def _sns_signature(message: Mapping[str, str]) -> str:
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    digest = hashes.SHA1() if message["SignatureVersion"] == "1" else hashes.SHA256()
    return base64.b64encode(_sns_key().sign(text.encode(), padding.PKCS1v15(), digest)).decode()
