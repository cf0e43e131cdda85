"""The shape of a payload: its fields and the kinds of their values, without personal data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote

# Fields that say what an event is and when it came, in the words of all providers, where they are fields of the event
# itself. Anywhere deeper, among a person's traits for example, a field of the same name may say anything.
_SHOWN = frozenset(
    (
        *("type", "event", "eventtype", "event_type", "recordtype", "messagestatus", "smsstatus", "status", "channel"),
        *("messageid", "message_id", "sg_event_id", "messagesid", "timestamp", "originaltimestamp", "sentat"),
        "receivedat",
    )
)
# Where else a field is shown: by the fields that it is in.
_SHOWN_WITHIN = {
    ("receivedby",): frozenset(("name", "isclaim", "maygrant")),
    ("context", "library"): frozenset(("name", "version")),
}
_EMAIL = re.compile(r"[^\s@]@[^\s@]")
# Eight digits or more, whatever separates them.
_PHONE = re.compile(r"\d(?:[^0-9A-Za-z]{0,3}\d){7,}")
_IP_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){4,7}")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
# What programs make, whose digits are no phone number: UUIDs, hashes and ids like them, times in milliseconds, dates.
_MADE = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?<![0-9a-z])[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}(?![0-9a-z])"
    r"|(?<![0-9a-z])([a-z]{2})?(?=[0-9]*[a-f])[0-9a-f]{16,}(?![0-9a-z])"
    r"|(?<!\d)1[5-9]\d{11}(?!\d)"
    r"|(?<!\d)(19|20)\d\d-\d\d-\d\d(?!\d)",
    re.IGNORECASE,
)
# Programs have words and ids without spaces; only the name of an event is a phrase.
_WORD = re.compile(r"[A-Za-z0-9_:.~+=/-]*")
# What stands for nothing, which explains why an id is missing.
_PLACEHOLDERS = ("", "null", "undefined", "none", "nan")
_LONGEST_SHOWN = 100
_MOST_LEVELS = 100

_Path = tuple[str, ...]


def masked(value: Any) -> Any:
    """A parsed payload with each value replaced by its kind, except those that say what an event is."""
    return _masked(value, (), 0)


def masked_text(text: str) -> str:
    """A text such as a name of an event, if it holds neither an address nor a number that may be a phone's."""
    return text if _is_harmless(text) else _kind(text)


def _masked(value: Any, path: _Path, level: int) -> Any:
    if level > _MOST_LEVELS:
        return "…"
    match value:
        case None:
            return None
        case dict():
            return _masked_object(value, path, level)
        case list():
            return [_masked(one, path, level + 1) for one in value]
        case str():
            is_word = path == ("event",) or _WORD.fullmatch(value) or _DATE_TIME.fullmatch(value)
            return masked_text(value) if _is_shown(path) and is_word else _kind(value)
        case bool():
            return value if _is_shown(path) else "true or false"
        case _:
            return value if path == ("timestamp",) else "number"


def _is_shown(path: _Path) -> bool:
    *within, name = path or ("",)
    return name in _SHOWN_WITHIN.get(tuple(within), _SHOWN if not within else ())


def _masked_object(value: Mapping[str, Any], path: _Path, level: int) -> dict[str, Any]:
    # Names of fields can be addresses: {"ann@example.com": true}. Those that look alike then are numbered.
    found: dict[str, Any] = {}
    names: Counter[str] = Counter()
    for key, one in value.items():
        name = _masked_name(key)
        names[name] += 1
        shown = name if names[name] == 1 else f"{name} ({names[name]})"
        found[shown] = _masked(one, (*path, key.lower()), level + 1)
    return found


def _masked_name(name: str) -> str:
    has_number_among_words = " " in name and any(character.isdigit() for character in name)
    return _kind(name) if has_number_among_words else masked_text(name)


def _is_harmless(text: str) -> bool:
    plain = normalize("NFKC", unquote(text))
    if len(text) > _LONGEST_SHOWN or _EMAIL.search(plain):
        return False
    rest = _MADE.sub("…", plain)
    return bool(_DATE_TIME.fullmatch(plain)) or not (_PHONE.search(rest) or _IP_ADDRESS.search(rest))


def _kind(text: str) -> str:
    if text.lower() in _PLACEHOLDERS:
        return text
    if _EMAIL.search(text):
        return "e-mail address"
    if _DATE_TIME.fullmatch(text):
        return "date" if len(text) == len("2026-01-31") else "time"
    if _PHONE.search(text) and not re.search(r"[^\W\d]", text):
        return "phone number"
    return f"text, {len(text)} characters"
