"""Webhooks: how a provider's requests are authenticated, and how their payloads are extracted.

This package has the schemes and formats that several providers share; each source in `cdp/providers/` names its
`Webhook`. All functions are pure: bytes, headers, public URL, secrets, clock and any certificate from the network are
passed in. Error messages never quote the contents of a request.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cdp.errors import CdpError, require_tuple

# The tolerance for a provider's clock and for the age of a request (Standard Webhooks).
TOLERANCE = timedelta(minutes=5)

# Secret values by name.
Secrets = Mapping[str, str]


class Refused(CdpError):
    """The request is not authentic."""

    http_status = 401
    code = "webhook_refused"


class WrongTime(Refused):
    """The request is signed, but too old, or from the future."""


class Unreadable(CdpError):
    """The request is authentic, but its body is invalid."""

    http_status = 400
    code = "unreadable_webhook"


class TooMany(CdpError):
    """The request is authentic, but has more records than any provider sends at once."""

    http_status = 413
    code = "payload_too_large"


class UnusableSecret(CdpError):
    """A secret is not configured, or not of the kind that its scheme needs."""

    http_status = 503
    code = "webhook_not_configured"


@dataclass(frozen=True)
class Request:
    """A received request.

    headers: by lower-case name.
    url: the public URL that the provider called, with its query. Behind a proxy it differs from the URL received.
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
    """One payload, as in a line of the source's log; `message_id` is the same for a redelivery."""

    message_id: str
    payload: str


class Answer(NamedTuple):
    """The response that a provider expects on success."""

    status: int
    media_type: str | None = None
    body: str = ""


class Secret(NamedTuple):
    """A secret that a webhook needs: its name in the settings, and its meaning in the provider's terms.

    read: reads the text of one that is no plain text; raises `UnusableSecret` for what is not of its kind.
    """

    name: str
    meaning: str
    read: Callable[[str], object] = str


@dataclass(frozen=True)
class Challenge:
    """A GET request by which a provider verifies that the URL is ours. `answer` takes the query and returns the body.

    secrets: the secrets required to answer.
    """

    secrets: tuple[Secret, ...]
    answer: Callable[[Mapping[str, str], Secrets], str]

    def __post_init__(self) -> None:
        require_tuple("secrets of a challenge", self.secrets, Secret)


def _any_success(_request: Request) -> Answer | None:
    return None


@dataclass(frozen=True)
class Webhook:
    """How the requests of a provider are verified, read and answered.

    provider: its name in the settings, `CDP_WEBHOOKS__{PROVIDER}__…`; by default that of the source, so that whoever
        signs for one source cannot speak for another.
    secrets: the secrets required for verification.
    verify: raises `Refused` unless the request is authentic and, if its scheme has a time, recent.
    items: the payloads of a verified request; none if it is only about the webhook itself.
    answer: the response to an accepted request; None if any 2xx will do.
    challenge: the GET challenge, for providers that send one.
    certificate_url: the URL of the certificate that signed this request. It is fetched only if everything else about
        the request is valid; `verify` gets it as PEM text in its secrets, as `certificate`.
    confirm_url: the URL that confirms a subscription, if the request asks for one.
    is_single_use: the message id is the token that was signed instead of the body, valid for one body.
    auth_scheme: the scheme in the `WWW-Authenticate` header of a refusal (RFC 9110).
    """

    secrets: tuple[Secret, ...]
    verify: Callable[[Request, Secrets, datetime], None]
    items: Callable[[Request], Sequence[Item]]
    provider: str = ""
    answer: Callable[[Request], Answer | None] = _any_success
    challenge: Challenge | None = None
    certificate_url: Callable[[Request, Secrets, datetime], str] | None = None
    confirm_url: Callable[[Request], str | None] | None = None
    is_single_use: bool = False
    auth_scheme: str = "Signature"

    def __post_init__(self) -> None:
        require_tuple("secrets of a webhook", self.secrets, Secret)

    def all_secrets(self) -> tuple[Secret, ...]:
        """The secrets of the webhook and of its challenge."""
        return (*self.secrets, *(self.challenge.secrets if self.challenge else ()))

    def variable(self, secret: Secret) -> str:
        """The environment variable that sets a secret."""
        return f"CDP_WEBHOOKS__{self.provider}__{secret.name}".upper()


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, compared in constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def from_base64(text: str, name: str) -> bytes:
    """Decode the base64 text of a header or field called `name`.

    Raises:
        Refused: it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(f"{name} is not base64") from None


def check_age(sent_at: datetime, now: datetime, *, max_age: timedelta = TOLERANCE) -> None:
    """Raise `WrongTime` for a request that is older than `max_age`, or from the future."""
    if sent_at < now - max_age:
        raise WrongTime("the request is too old")
    if sent_at > now + TOLERANCE:
        raise WrongTime("the request is from the future")


def at_unix(text: str, name: str, now: datetime) -> datetime:
    """The time of a text in Unix seconds.

    Raises:
        Refused: the text is not such a time.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 11):
        raise Refused(f"{name} is not a time")
    return datetime.fromtimestamp(int(text), now.tzinfo)
