"""How long a message may be on each channel.

Push: FCM takes a payload of 4,096 bytes, web push 3,993 before encryption, so that what fits the second fits both.
What a chat takes is in `cdp/channels.py`. Providers of text messages take 1,600 characters, in ten segments. Gmail
cuts an e-mail off after 102 KB.
"""

from __future__ import annotations

import json
import re
from html import unescape

from cdp.channels import CHATS, FORMS
from cdp.content.liquid import ContentRefused
from cdp.content.texts import segments_of
from cdp.delivery import ChatTemplate, Content, Email, Push, Text

MOST_SEGMENTS = 10
MOST_PUSH_BYTES = 3_993
MOST_HTML_BYTES = 102 * 1024
MOST_SUBJECT_CHARACTERS = 250


def require_short(channel: str, content: Content) -> None:
    """Refuse content that is empty or too long for the channel.

    Raises:
        ContentRefused: the message says how long it is, and what is allowed.
    """
    match content:
        case Email():
            _require(channel, "subject", len(content.subject), MOST_SUBJECT_CHARACTERS, "characters")
            _require(channel, "HTML", len(content.html.encode()), MOST_HTML_BYTES, "bytes")
        case Push():
            _require(channel, "title", len(content.title), MOST_PUSH_BYTES, "characters")
            _require(channel, "notification", push_bytes(content), MOST_PUSH_BYTES, "bytes")
        case Text() if FORMS[channel] == "text":
            count = segments_of(content.text).number if content.text else 0
            _require(channel, "text", count, MOST_SEGMENTS, "segments")
        case Text():
            _require(channel, "text", len(content.text), CHATS[channel].most_characters, "characters")
        case ChatTemplate():
            if "" in content.values:
                raise ContentRefused(f"{channel}: a value of the template {content.name} is empty")


_LINK = re.compile(r"""(?:href|src|action)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)
_SAFE = re.compile(r"\s*(?:https?://|mailto:|tel:|#|cid:)", re.IGNORECASE)


def require_safe_links(channel: str, content: Content) -> None:
    """Refuse links that are no addresses of the web: values may come from anybody, and `javascript:` would run.

    Raises:
        ContentRefused: a link is neither http nor https, nor an e-mail address or a phone number.
    """
    match content:
        case Email():
            links = [unescape(found[1].strip("\"'")) for found in _LINK.finditer(content.html)]
        case Push() if content.url:
            links = [content.url]
        case _:
            return
    if not all(_SAFE.match(link) for link in links):
        raise ContentRefused(f"{channel}: a link is neither http nor https")


def push_bytes(content: Push) -> int:
    """The size of a notification as JSON."""
    whole = {"title": content.title, "body": content.body, "url": content.url, "data": content.data}
    return len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode())


def _require(channel: str, what: str, size: int, most: int, unit: str) -> None:
    if size == 0:
        raise ContentRefused(f"{channel}: the {what} is empty")
    if size > most:
        raise ContentRefused(f"{channel}: the {what} has {size:,} {unit}; at most {most:,} are allowed")
