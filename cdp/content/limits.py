"""How long a message may be on each channel.

Push: FCM takes a payload of 4,096 bytes, web push 3,993 before encryption, so that what fits the second fits both.
What a chat takes is in `cdp/channels.py`. Providers of text messages take 1,600 characters, in ten segments. Gmail
cuts an e-mail off after 102 KB.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

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


# Attributes whose value a browser or a mail client opens, in any tag.
_OPENED = frozenset(
    ("href", "src", "action", "formaction", "background", "poster", "cite", "longdesc", "ping", "xlink:href")
)
_SAFE = re.compile(r"(?:https?://|mailto:|tel:|#|cid:)", re.IGNORECASE)
# What browsers leave out of an address before they read it.
_LEFT_OUT = re.compile(r"^[\x00-\x20]+|[\t\n\r]")
_REFRESH = re.compile(r"url\s*=\s*[\"']?\s*(.*)", re.IGNORECASE | re.DOTALL)


def require_safe_links(channel: str, content: Content) -> None:
    """Refuse links that are no addresses of the web: values may come from anybody, and `javascript:` would run.

    Raises:
        ContentRefused: a link is neither http nor https, nor an e-mail address or a phone number.
    """
    match content:
        case Email():
            links = links_in(content.html)
        case Push() if content.url:
            links = [content.url]
        case _:
            return
    if not all(_SAFE.match(_LEFT_OUT.sub("", link)) for link in links):
        raise ContentRefused(f"{channel}: a link is neither http nor https")


def links_in(html: str) -> list[str]:
    """The links of the tags in HTML, as a browser reads them; text that looks like one is none."""
    reader = _Links()
    reader.read(html)
    for text in list(reader.hidden):
        # Tags alone: what is hidden in it is seen with it.
        reader.read(re.sub("<(?=[!?/])", " ", text))
    return reader.found


class _Links(HTMLParser):
    """Gathers the links of tags, also of those that only some readers see: in comments, styles and declarations.

    hidden: the texts of comments and declarations.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.hidden: list[str] = []

    def read(self, html: str) -> None:
        self.reset()
        # Ends a comment or a tag that nothing closes, whose link some readers would open.
        self.feed(f"{html}'\">-->")
        self.close()

    def set_cdata_mode(self, elem: str, **_options: bool) -> None:
        """Styles are read as text by some and as tags by others."""

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """What HTML does not know is a comment that ends with the next `>`."""
        return self.parse_bogus_comment(i, report)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name in _OPENED or (tag, name) == ("object", "data"):
                self.found.append(value)
            elif name == "srcset":
                self.found += [one.split()[0] for one in value.split(",") if one.strip()]
            elif (tag, name) == ("meta", "content") and (target := _REFRESH.search(value)):
                self.found.append(target[1])

    def handle_comment(self, data: str) -> None:
        self.hidden.append(data)

    def handle_decl(self, decl: str) -> None:
        self.hidden.append(decl)

    def handle_pi(self, data: str) -> None:
        self.hidden.append(data)

    def unknown_decl(self, data: str) -> None:
        self.hidden.append(data)


def push_bytes(content: Push) -> int:
    """The size of a notification as JSON."""
    whole = {"title": content.title, "body": content.body, "url": content.url, "data": content.data}
    return len(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode())


def _require(channel: str, what: str, size: int, most: int, unit: str) -> None:
    if size == 0:
        raise ContentRefused(f"{channel}: the {what} is empty")
    if size > most:
        raise ContentRefused(f"{channel}: the {what} has {size:,} {unit}; at most {most:,} are allowed")
