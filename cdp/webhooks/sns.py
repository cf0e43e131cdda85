"""Amazon SNS over HTTPS: RSA over canonical fields, version 1 with SHA-1 and version 2 with SHA-256.

Format: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. Three things are pinned, because
anyone can create a topic at Amazon: the host of the certificate, the host that confirms a subscription, and the topics.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from cdp.webhooks import Item, Refused, Request, Secrets, check_age, from_base64
from cdp.webhooks.payloads import document, item

NOTIFICATION, SUBSCRIPTION = "Notification", "SubscriptionConfirmation"

_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES = {"1": SHA1, "2": SHA256}
_HOST = re.compile(r"sns\.[a-z0-9-]{3,}\.amazonaws\.com(\.cn)?")
_CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9a-zA-Z]+\.pem")
# The timestamp is the time of publication. SNS retries an HTTPS endpoint for an hour, by default and at most.
_MAX_AGE = timedelta(hours=1, minutes=5)


def certificate_url(request: Request, secrets: Secrets, now: datetime) -> str:
    """The URL of the certificate that signed the request, after all other checks.

    Raises:
        Refused: the topic is not configured, the message is stale, or the URL is not Amazon's.
    """
    message = _message(request)
    if message.get("TopicArn") not in {topic.strip() for topic in secrets["topic_arns"].split(",")}:
        raise Refused("the topic is not one of topic_arns")
    check_age(_published_at(message), now, max_age=_MAX_AGE)
    url = message.get("SigningCertURL")
    if not isinstance(url, str) or not _is_amazons(url) or not _CERTIFICATE_PATH.fullmatch(urlsplit(url).path):
        raise Refused("SigningCertURL is not Amazon's")
    return url


def verify(request: Request, secrets: Secrets, now: datetime) -> None:
    """Raise `Refused` unless the message's fields are signed with the key of `secrets["certificate"]`."""
    certificate_url(request, secrets, now)
    message = _message(request)
    version = message.get("SignatureVersion")
    if version not in _HASHES:
        raise Refused("SignatureVersion is neither 1 nor 2")
    signature = from_base64(str(message.get("Signature", "")), "Signature")
    try:
        _public_key(secrets["certificate"], now).verify(
            signature, _signed_text(message), PKCS1v15(), _HASHES[version]()
        )
    except InvalidSignature:
        raise Refused("the signature does not match") from None


def items(request: Request) -> list[Item]:
    """A whole notification as one item, under its id. Messages about the subscription itself have no item."""
    message = _message(request)
    return [item(message, message.get("MessageId"))] if message["Type"] == NOTIFICATION else []


def confirm_url(request: Request) -> str | None:
    """The URL that confirms the subscription, if the request asks for confirmation.

    Raises:
        Refused: the URL is not Amazon's.
    """
    message = _message(request)
    if message["Type"] != SUBSCRIPTION:
        return None
    url = message.get("SubscribeURL")
    if not isinstance(url, str) or not _is_amazons(url):
        raise Refused("SubscribeURL is not Amazon's")
    return url


def _message(request: Request) -> Mapping[str, Any]:
    message = document(request)
    if not isinstance(message, dict) or message.get("Type") not in _SIGNED:
        raise Refused("the body is not an SNS message")
    return message


def _published_at(message: Mapping[str, Any]) -> datetime:
    try:
        published_at = datetime.fromisoformat(str(message.get("Timestamp")))
    except ValueError:
        raise Refused("Timestamp is not a time") from None
    if published_at.tzinfo is None:
        raise Refused("Timestamp is not a time")
    return published_at


def _is_amazons(url: str) -> bool:
    """Whether the URL is one of SNS: over TLS, without a port or a user."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and _HOST.fullmatch(parts.netloc) is not None


def _signed_text(message: Mapping[str, Any]) -> bytes:
    """The signed fields of the message, each name and each value on its own line."""
    names = (name for name in _SIGNED[message["Type"]] if message.get(name) is not None)
    return "".join(f"{name}\n{message[name]}\n" for name in names).encode(errors="replace")


def _public_key(text: str, now: datetime) -> RSAPublicKey:
    """The key of a certificate that is valid now. Its origin is proved by the TLS connection to Amazon's host."""
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        key = certificate.public_key()
    except ValueError:
        raise Refused("there is no certificate at SigningCertURL") from None
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refused("the certificate at SigningCertURL is not valid now")
    if not isinstance(key, RSAPublicKey):
        raise Refused("the certificate's key is not an RSA key")
    return key
