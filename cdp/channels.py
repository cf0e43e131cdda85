"""The channels on which companies and people are in contact: one entry each.

Schemas, metrics, segments, the preference page, the channel names recognised in files and the SQL relation
`message_channels` derive from `CHANNELS`: a new channel is a new entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

# How messages are written: an e-mail; text alone, charged by its length; a notification; or a message in a chat, which
# may need a template that its provider has approved.
Form = Literal["mail", "text", "notification", "chat"]


@dataclass(frozen=True)
class Channel:
    """A channel.

    name: its name in tables and in the API.
    title: its name on the preference page.
    words: other names for it in files, in lower case with underscores.
    address_type: type of the identifier that a message is addressed to; None if no messages are sent on it.
    form: how its messages are written; None if no messages are sent on it.
    needs_contact: whether there must have been contact, because not every address has it: not every phone has WhatsApp.
    has_keywords: whether the replies STOP and START suppress it and lift the suppression.
    bounce_is_permanent: whether an address that bounces is permanently gone.
    has_list_headers: whether its messages carry the headers for one-click unsubscription (RFC 8058).
    windowed_outcomes: message outcomes that are also counted for recent windows. Each such column costs every run and
        every reader.
    """

    name: str
    title: str
    words: tuple[str, ...]
    address_type: str | None = None
    form: Form | None = None
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
        form="mail",
        has_list_headers=True,
        windowed_outcomes=("delivered", "opened", "clicked", "converted"),
    ),
    Channel(
        "sms",
        "Text messages (SMS)",
        ("text", "text_message", "mms"),
        address_type="phone",
        form="text",
        has_keywords=True,
        windowed_outcomes=("delivered", "clicked", "replied", "converted"),
    ),
    Channel(
        "push",
        "App notifications",
        ("push_notification", "notification", "mobile_push", "app_push"),
        address_type="device_token",
        form="notification",
        # A bounce means that the app was uninstalled.
        bounce_is_permanent=True,
        windowed_outcomes=("delivered", "opened", "clicked", "converted"),
    ),
    Channel(
        "whatsapp",
        "WhatsApp messages",
        ("wa", "whats_app"),
        address_type="phone",
        form="chat",
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
# The channels on which messages are sent to an address, with the type of that address.
ADDRESS_TYPES = {channel.name: channel.address_type for channel in CHANNELS if channel.address_type}
MESSAGE_CHANNELS = tuple(ADDRESS_TYPES)
FORMS = {channel.name: channel.form for channel in CHANNELS if channel.form}
KEYWORD_CHANNELS = tuple(channel.name for channel in CHANNELS if channel.has_keywords)
PERMANENT_BOUNCE_CHANNELS = tuple(channel.name for channel in CHANNELS if channel.bounce_is_permanent)

if TYPE_CHECKING:
    ChannelName = str
    MessageChannelName = str
else:
    # Type checkers do not support a Literal built at run time; Pydantic does.
    ChannelName = Literal[CHANNEL_NAMES]
    MessageChannelName = Literal[MESSAGE_CHANNELS]


def channels_addressed_by(address_type: str) -> tuple[str, ...]:
    """The channels whose messages are sent to an address of this type."""
    return tuple(name for name, kind in ADDRESS_TYPES.items() if kind == address_type)


def channels_opened_by(address_type: str) -> tuple[str, ...]:
    """The channels that an address of this type makes reachable without prior contact."""
    return tuple(name for name in channels_addressed_by(address_type) if not BY_NAME[name].needs_contact)


def sql_helpers() -> str:
    """SQL of what statements know of channels.

    message_channels: a relation with channel, address_type, needs_contact.
    is_message_channel(channel): whether messages are sent on it; a list of constants costs less than a join.
    addresses_of(email, phone, device_token): a list of {channel, address}.
    """
    addresses = ", ".join(f"{{'channel': '{name}', 'address': {kind}}}" for name, kind in ADDRESS_TYPES.items())
    return f"""
create or replace temp view message_channels as {_message_channels()};
create or replace temp macro is_message_channel(channel) as channel in {MESSAGE_CHANNELS};
create or replace temp macro addresses_of(email, phone, device_token) as [{addresses}];
"""


def _message_channels() -> str:
    rows = ", ".join(
        f"('{name}', '{kind}', {str(BY_NAME[name].needs_contact).lower()})" for name, kind in ADDRESS_TYPES.items()
    )
    return f"select * from (values {rows}) as channels(channel, address_type, needs_contact)"
