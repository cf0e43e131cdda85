"""What all senders of providers share: the message that they are given, and what became of it.

A provider's `send.py` declares `SENDER`. Most providers are an HTTP API: theirs is an `HttpSender`, two pure functions
that write the request and read the response (`cdp/delivery/http.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True)
class Email:
    """A rendered e-mail. headers: further ones, such as those for one-click unsubscription (RFC 8058)."""

    subject: str
    text: str
    html: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Text:
    """A rendered message of text alone: SMS, or a chat."""

    text: str


@dataclass(frozen=True)
class Push:
    """A rendered notification. url: what a tap opens. data: what the app gets beside it."""

    title: str
    body: str
    url: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ChatTemplate:
    """A template that the chat's provider has approved, with the values of its numbered placeholders in order."""

    name: str
    language: str
    values: tuple[str, ...] = ()


Content = Email | Text | Push | ChatTemplate


@dataclass(frozen=True)
class Dispatch:
    """A message on its way out, to one address.

    message_id: our own id, which travels in the provider's field for it, so that receipts carry it.
    sender: the sender's name, as the brand has it.
    callback_url: the public URL of the provider's webhook.
    expires_at: the provider need not deliver it later.
    """

    message_id: str
    channel: str
    address: str
    content: Content
    sender: str
    callback_url: str
    expires_at: datetime


@dataclass(frozen=True)
class Accepted:
    """The provider has taken the message. provider_id: its own id for it, if it has told one."""

    provider_id: str | None = None


@dataclass(frozen=True)
class Retry:
    """The message was surely not taken, and may be later or by another provider.

    error: a code without personal data. after: how long the provider asks to wait.
    is_providers: whether it speaks against the provider, such as a limit or an outage.
    """

    error: str
    after: timedelta | None = None
    is_providers: bool = True


@dataclass(frozen=True)
class Refused:
    """The message was surely not taken, and will never be as it is. error: a code without personal data.

    is_address_gone: the address no longer exists, such as the token of an app that was uninstalled.
    """

    error: str
    is_address_gone: bool = False


@dataclass(frozen=True)
class InDoubt:
    """The message was perhaps taken: the answer was lost, or says nothing of it.

    error: a code without personal data.
    """

    error: str


Outcome = Accepted | Retry | Refused | InDoubt


@dataclass(frozen=True)
class Setting:
    """A setting of a sender. default: used if it is not set; None if it must be."""

    name: str
    meaning: str
    default: str | None = None


Settings = Mapping[str, str]


class Transport(Protocol):
    """A sender with its connections; its methods are thread-safe."""

    def send(self, dispatch: Dispatch) -> Outcome:
        """Hand a message over to the provider. Whatever goes wrong on the way is an outcome, not an exception."""


class Sender(Protocol):
    """How messages are handed over to a provider.

    channels: those that it sends on.
    settings: all that it needs to be told; it is configured when every setting without a default is set.
    """

    @property
    def channels(self) -> tuple[str, ...]: ...

    @property
    def settings(self) -> tuple[Setting, ...]: ...

    def suits(self, address: str) -> bool:
        """Whether an address is one of this provider's, where several share a channel."""

    def opened(self, settings: Settings) -> AbstractContextManager[Transport]:
        """The sender with its connections, which are closed at the end."""
