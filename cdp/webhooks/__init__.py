"""Webhooks: how a provider proves that a request is its own, and how the request opens into payloads.

Here are the schemes and shapes that several providers share; which provider uses which stands in `cdp/providers/`,
whose sources name their `Webhook`. All of it is pure: bytes, headers, public URL, secrets and clock are handed in,
and so is a certificate that must come over the network. Nothing here repeats what a request holds in an error.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cdp.errors import CdpError

# How far a provider's clock may be off, and how long a request may be under way (Standard Webhooks).
TOLERANCE = timedelta(minutes=5)

# Their values, by name.
Secrets = Mapping[str, str]


class Refused(CdpError):
    """A request does not prove that it comes from its provider."""

    http_status = 401
    code = "webhook_refused"


class Unreadable(CdpError):
    """A request is its provider's, but its body is not what the provider sends."""

    http_status = 400
    code = "unreadable_webhook"


class UnusableSecret(CdpError):
    """A configured secret is not of the kind that its scheme needs."""

    http_status = 503
    code = "webhook_not_configured"


@dataclass(frozen=True)
class Request:
    """A request as it came.

    headers: by lower-case name.
    url: as the provider called it: the public URL, which a proxy may hide from us, with its query.
    """

    body: bytes
    headers: Mapping[str, str]
    url: str

    def header(self, name: str) -> str:
        """A header's value.

        Raises:
            Refused: it is missing.
        """
        value = self.headers.get(name.lower(), "")
        if not value:
            raise Refused(f"the header {name} is missing")
        return value


class Item(NamedTuple):
    """One payload, as a line of the source's log holds it; `message_id` is the same when it is sent again."""

    message_id: str
    payload: str


class Answer(NamedTuple):
    """What a provider wants to hear when all went well."""

    status: int
    media_type: str | None = None
    body: str = ""


class Secret(NamedTuple):
    """A secret that a webhook needs: its name in the settings, and what it is in the provider's words."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Challenge:
    """A GET by which a provider makes sure that the URL is ours. `answer` takes the query and gives the body.

    secrets: those without which it cannot be answered.
    """

    secrets: tuple[Secret, ...]
    answer: Callable[[Mapping[str, str], Secrets], str]


def _counts(_request: Request) -> Answer | None:
    return None


@dataclass(frozen=True)
class Webhook:
    """How the requests of a provider are verified, opened and answered.

    provider: its name in the settings, `CDP_WEBHOOKS__{PROVIDER}__…`.
    secrets: those without which nothing can be verified.
    verify: raises `Refused` unless the request is the provider's, and fresh where its scheme has a time.
    items: the payloads of a verified request; none where it only says something about the webhook itself.
    answer: the answer to a request that was taken in; None means that any 2xx will do.
    challenge: where the provider asks by GET first.
    certificate_url: where the certificate stands that signs this request; `verify` finds it, as PEM text, among its
        secrets as `certificate`. It is fetched only if everything else about the request is right.
    confirm_url: the URL that confirms a subscription, if the request asks for that.
    is_single_use: a request's message id is the token that was signed in place of its body, and good for one request.
    auth_scheme: what the `WWW-Authenticate` header of a refusal names (RFC 9110).
    """

    provider: str
    secrets: tuple[Secret, ...]
    verify: Callable[[Request, Secrets, datetime], None]
    items: Callable[[Request], Sequence[Item]]
    answer: Callable[[Request], Answer | None] = _counts
    challenge: Challenge | None = None
    certificate_url: Callable[[Request, Secrets, datetime], str] | None = None
    confirm_url: Callable[[Request], str | None] | None = None
    is_single_use: bool = False
    auth_scheme: str = "Signature"

    def all_secrets(self) -> tuple[Secret, ...]:
        """The webhook's secrets, with those of its challenge."""
        return (*self.secrets, *(self.challenge.secrets if self.challenge else ()))

    def variable(self, secret: Secret) -> str:
        """The environment variable that sets a secret."""
        return f"CDP_WEBHOOKS__{self.provider}__{secret.name}".upper()


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def from_base64(text: str, name: str) -> bytes:
    """The bytes that a header or field holds.

    Raises:
        Refused: it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(f"{name} is not base64") from None


def check_age(sent_at: datetime, now: datetime, *, max_age: timedelta = TOLERANCE) -> None:
    """Raise `Refused` for a request that is older than `max_age`, or from the future."""
    if sent_at < now - max_age:
        raise Refused("the request is too old")
    if sent_at > now + TOLERANCE:
        raise Refused("the request is from the future")


def at_unix(text: str, name: str, now: datetime) -> datetime:
    """The time that a text of Unix seconds means.

    Raises:
        Refused: the text is no such time.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 11):
        raise Refused(f"{name} is not a time")
    return datetime.fromtimestamp(int(text), now.tzinfo)
