"""The channels on which people are met or written to: one row each.

Schemas, metrics, segments, the preference page, the words that files are read by and the SQL relation
`message_channels` derive from `CHANNELS`: a new channel is a new row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal


@dataclass(frozen=True)
class Channel:
    """A channel.

    name: its word, in tables and in the API.
    title: what a person calls it, on the preference page.
    words: what files call it, in lower case with underscores.
    address_type: type of the identifier that a message is addressed to; None where nobody is written to.
    needs_contact: whether an address alone does not open it: not every phone has WhatsApp, only one that was met there.
    has_keywords: whether STOP and START, sent as a message, suppress it and lift the suppression.
    bounce_is_permanent: whether whatever bounces there is gone for good.
    has_list_headers: whether its messages carry the headers of one-click unsubscription (RFC 8058).
    windowed_outcomes: outcomes of its messages that are counted for the last weeks, too. A column costs every run and
        every reader something.
    """

    name: str
    title: str
    words: tuple[str, ...]
    address_type: str | None = None
    needs_contact: bool = False
    has_keywords: bool = False
    bounce_is_permanent: bool = False
    has_list_headers: bool = False
    windowed_outcomes: tuple[str, ...] = ()


CHANNELS = (
    Channel(
        "email",
        "E-mail",
        ("e_mail", "mail", "newsletter"),
        address_type="email",
        has_list_headers=True,
        windowed_outcomes=("delivered", "opened", "clicked", "converted"),
    ),
    Channel(
        "sms",
        "Text messages (SMS)",
        ("text", "text_message", "mms"),
        address_type="phone",
        has_keywords=True,
        windowed_outcomes=("delivered", "clicked", "replied", "converted"),
    ),
    Channel(
        "push",
        "Notifications of our app",
        ("push_notification", "notification", "mobile_push", "app_push"),
        address_type="device_token",
        # The app is gone from the device.
        bounce_is_permanent=True,
        windowed_outcomes=("delivered", "opened", "clicked", "converted"),
    ),
    Channel(
        "whatsapp",
        "WhatsApp messages",
        ("wa", "whats_app"),
        address_type="phone",
        needs_contact=True,
        has_keywords=True,
        windowed_outcomes=("delivered", "opened", "replied", "converted"),
    ),
    Channel(
        "social",
        "Social networks",
        ("facebook", "instagram", "twitter", "tiktok", "linkedin", "messenger"),
    ),
    Channel(
        "web", "Website", ("website", "site", "online", "ecommerce", "e_commerce", "webshop", "internet", "browser")
    ),
    Channel("app", "App", ("mobile", "mobile_app", "ios", "android")),
    Channel(
        "store",
        "Store",
        ("in_store", "instore", "shop", "retail", "pos", "offline", "branch", "filiale"),
    ),
)

BY_NAME = {channel.name: channel for channel in CHANNELS}
CHANNEL_NAMES = tuple(BY_NAME)
# Those on which messages are sent to an address, and the type of that address.
ADDRESS_TYPES = {channel.name: channel.address_type for channel in CHANNELS if channel.address_type}
MESSAGE_CHANNELS = tuple(ADDRESS_TYPES)
KEYWORD_CHANNELS = tuple(channel.name for channel in CHANNELS if channel.has_keywords)
PERMANENT_BOUNCE_CHANNELS = tuple(channel.name for channel in CHANNELS if channel.bounce_is_permanent)

if TYPE_CHECKING:
    ChannelName = str
    MessageChannelName = str
else:
    # Type checkers do not follow a Literal that is made from a table; Pydantic does.
    ChannelName = Literal[CHANNEL_NAMES]
    MessageChannelName = Literal[MESSAGE_CHANNELS]


def channels_addressed_by(address_type: str) -> tuple[str, ...]:
    """The channels whose messages go to an address of this type."""
    return tuple(name for name, kind in ADDRESS_TYPES.items() if kind == address_type)


def channels_opened_by(address_type: str) -> tuple[str, ...]:
    """Those of them that the address alone opens."""
    return tuple(name for name in channels_addressed_by(address_type) if not BY_NAME[name].needs_contact)


def message_channels_relation() -> str:
    """SQL of the relation `message_channels`: channel, address_type, needs_contact."""
    rows = ", ".join(
        f"('{name}', '{kind}', {str(BY_NAME[name].needs_contact).lower()})" for name, kind in ADDRESS_TYPES.items()
    )
    return f"select * from (values {rows}) as channels(channel, address_type, needs_contact)"
