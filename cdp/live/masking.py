"""The shape of a payload: its fields and the kinds of their values, without personal data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Fields whose values say what an event is and when it came, never who somebody is, in the words of all providers.
_SHOWN = frozenset(
    (
        *("type", "event", "eventtype", "event_type", "recordtype", "messagestatus", "smsstatus", "status", "channel"),
        *("messageid", "message_id", "sg_event_id", "version", "timestamp", "originaltimestamp", "sentat"),
        *("receivedat", "isclaim", "maygrant"),
    )
)
# The same for names that mean a person elsewhere, by the field that they are in.
_SHOWN_WITHIN = frozenset({("library", "name"), ("receivedby", "name")})
_EMAIL = re.compile(r"[^\s@]@[^\s@]")
_PHONE = re.compile(r"\+?\d[\d\s().-]{5,}\d")
# Parts of ids made by clients, whose digits are no phone number: UUIDs and Unix times.
_MADE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<!\d)1[5-9](\d{8}|\d{11})(?!\d)", re.IGNORECASE)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_LONGEST_SHOWN = 100
_MOST_LEVELS = 100


def masked(value: Any) -> Any:
    """A parsed payload with each value replaced by its kind, except those that say what an event is."""
    return _masked(value, "", "", 0)


def masked_text(text: str) -> str:
    """A text such as a name of an event, if it holds neither an address nor a number that may be a phone's."""
    return text if _is_harmless(text) else _kind(text)


def _masked(value: Any, within: str, name: str, level: int) -> Any:
    if level > _MOST_LEVELS:
        return "…"
    match value:
        case dict():
            return _masked_object(value, name, level)
        case list():
            return [_masked(one, within, name, level + 1) for one in value]
        case str() if name in _SHOWN or (within, name) in _SHOWN_WITHIN:
            return masked_text(value)
        case str():
            return _kind(value)
        case bool() | None:
            return value
        case _:
            return value if name == "timestamp" else "number"


def _masked_object(value: Mapping[str, Any], name: str, level: int) -> dict[str, Any]:
    # Names of fields can be addresses: {"ann@example.com": true}.
    return {masked_text(key): _masked(one, name, key.lower(), level + 1) for key, one in value.items()}


def _is_harmless(text: str) -> bool:
    if len(text) > _LONGEST_SHOWN or _EMAIL.search(text):
        return False
    return bool(_DATE_TIME.fullmatch(text)) or not _PHONE.search(_MADE.sub("…", text))


def _kind(text: str) -> str:
    if _EMAIL.search(text):
        return "e-mail address"
    if _DATE_TIME.fullmatch(text):
        return "date" if len(text) == len("2026-01-31") else "time"
    if _PHONE.fullmatch(text):
        return "phone number"
    return f"text, {len(text)} characters" if text else ""
