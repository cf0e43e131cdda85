"""The channels on which companies and people are in contact, and the ids of people on platforms: one entry each.

Schemas, metrics, segments, the preference page, the channel names recognised in files and the SQL relation
`message_channels` derive from `CHANNELS`: a new channel is a new entry. If its messages are addressed to an id that its
platform has given out, that is an entry of `PLATFORM_IDS`, from which the types of identifiers, their spelling, the
headers recognised in files and the SQL that reads them derive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

# How messages are written: an e-mail; text alone, charged by its length; a notification; or a message in a chat.
Form = Literal["mail", "text", "notification", "chat"]


@dataclass(frozen=True)
class PlatformId:
    """The id that a platform has for a person: an address of messages on that platform, and of nothing else.

    Observations have it under its type among their further ids (`external_ids`), not in a column of its own.

    type: its name as a type of identifiers.
    pattern: a regular expression (RE2) of the whole value; whatever else is no such id.
    headers: names of its column in files, as letters and digits in lower case.
    """

    type: str
    pattern: str
    headers: tuple[str, ...]


PLATFORM_IDS = (
    # The id of a private chat with a bot, which is that of its user: at most 52 bits
    # (https://core.telegram.org/bots/api#chat). Those of groups and channels, which are nobody's, are negative.
    PlatformId("telegram_chat", "[1-9][0-9]{0,15}", ("telegramchat", "telegramchatid", "telegramuserid", "telegramid")),
    # The id by which a Facebook page knows a person: another page knows the person by another one.
    PlatformId("messenger_psid", "[1-9][0-9]{4,19}", ("messengerpsid", "psid", "messengerid", "facebookpsid")),
)
PLATFORM_ID_TYPES = tuple(one.type for one in PLATFORM_IDS)


@dataclass(frozen=True)
class Chat:
    """What a chat takes.

    most_characters: of a text.
    is_always_open: it takes a text at any time, not only within 24 hours after the person has written.
    has_templates: while it is closed, it takes templates that its provider has approved.
    """

    most_characters: int
    is_always_open: bool = False
    has_templates: bool = False


@dataclass(frozen=True)
class Channel:
    """A channel.

    name: its name in tables and in the API.
    title: its name on the preference page.
    words: other names for it in files, in lower case with underscores.
    address_type: type of the identifier that a message is addressed to; None if no messages are sent on it.
    form: how its messages are written; None if no messages are sent on it.
    chat: what it takes, if it is a chat.
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
    chat: Chat | None = None
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
        chat=Chat(4_096, has_templates=True),
        needs_contact=True,
        has_keywords=True,
        windowed_outcomes=("delivered", "opened", "replied", "converted"),
    ),
    Channel(
        "telegram",
        "Telegram messages",
        ("tg", "telegram_bot"),
        address_type="telegram_chat",
        form="chat",
        chat=Chat(4_096, is_always_open=True),
        has_keywords=True,
        # Telegram does not report what becomes of messages.
        windowed_outcomes=("replied", "converted"),
    ),
    Channel(
        "messenger",
        "Messenger messages",
        ("facebook_messenger", "fb_messenger"),
        address_type="messenger_psid",
        form="chat",
        chat=Chat(2_000),
        has_keywords=True,
        windowed_outcomes=("delivered", "opened", "replied", "converted"),
    ),
    Channel(
        "social",
        "Social networks",
        ("facebook", "instagram", "twitter", "tiktok", "linkedin"),
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
CHATS = {channel.name: channel.chat for channel in CHANNELS if channel.chat}
CLOSING_CHATS = tuple(name for name, chat in CHATS.items() if not chat.is_always_open)
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
    """SQL of what statements know of channels and identifiers.

    message_channels: a relation with channel, address_type, needs_contact, and whether its chat closes.
    is_message_channel(channel): whether messages are sent on it; a list of constants costs less than a join.
    platform_ids_of(external_ids): the ids of `PLATFORM_IDS` among an observation's further ids, as a struct with a
        field for each type, which is null if there is none or what is there is no such id.
    has_platform_id(external_ids): whether there is one.
    identifiers_of(source, customer_id, email, phone, device_token, anonymous_id, external_ids): a list of
        {type, value}.
    addresses_of(email, phone, device_token, external_ids): a list of {channel, address}.
    """
    found = {one.type: _platform_id(one) for one in PLATFORM_IDS}
    columns = {"email": "email", "phone": "phone", "device_token": "device_token", "anonymous_id": "anonymous_id"}
    identifiers = [*(columns | found).items(), ("anonymous_id", "external_ids->>'$.previous_id'")]
    identifiers.append(("customer_id", "source || ':' || customer_id"))
    held = ", ".join(f"{{'type': '{kind}', 'value': {value}}}" for kind, value in identifiers)
    addresses = ", ".join(
        f"{{'channel': '{name}', 'address': {found.get(kind, kind)}}}" for name, kind in ADDRESS_TYPES.items()
    )
    return f"""
create or replace temp view message_channels as {_message_channels()};
create or replace temp macro is_message_channel(channel) as channel in {MESSAGE_CHANNELS};
create or replace temp macro platform_ids_of(external_ids) as
    {{{", ".join(f"'{kind}': {value}" for kind, value in found.items())}}};
create or replace temp macro has_platform_id(external_ids) as coalesce({", ".join(found.values())}) is not null;
create or replace temp macro identifiers_of(
    source, customer_id, email, phone, device_token, anonymous_id, external_ids
) as list_filter([{held}], lambda held: held.value is not null);
create or replace temp macro addresses_of(email, phone, device_token, external_ids) as [{addresses}];
"""


def _platform_id(one: PlatformId) -> str:
    """SQL of the id among `external_ids`, as `cdp.normalise.normalise_platform_ids` spells it."""
    return rf"nullif(regexp_extract(external_ids->>'$.{one.type}', '^\s*({one.pattern})\s*$', 1), '')"


def _message_channels() -> str:
    rows = ", ".join(
        f"('{name}', '{kind}', {BY_NAME[name].needs_contact}, {name in CLOSING_CHATS})"
        for name, kind in ADDRESS_TYPES.items()
    )
    return f"select * from (values {rows}) as channels(channel, address_type, needs_contact, chat_closes)"
