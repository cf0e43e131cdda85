"""What bodies hold: JSON records or the fields of a form, and the items that they amount to."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl

from python_multipart import parse_form
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field

from cdp.webhooks import Item, Request, Unreadable

_MAX_ID_CHARACTERS = 200
_MAX_FORM_FIELDS = 1_000


def document(request: Request) -> Any:
    """The body's JSON value.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise Unreadable("the body is not JSON") from None


def records(request: Request, lists: Sequence[str] = ()) -> list[Any]:
    """The records of a JSON body: a list's elements, those of a list wrapped under one of `lists`, or the value."""
    value = document(request)
    if isinstance(value, dict):
        value = next((value[key] for key in lists if isinstance(value.get(key), list)), value)
    return value if isinstance(value, list) else [value]


def by_id(key: str | None = None, lists: Sequence[str] = ()) -> Callable[[Request], list[Item]]:
    """A reader of JSON bodies whose records carry their id under `key`; one without is known by its content."""

    def items(request: Request) -> list[Item]:
        return [item(record, _value(record, key)) for record in records(request, lists)]

    return items


def item(record: Any, message_id: object = None) -> Item:
    """A record as an item, under `message_id` if that can be an id, else under the hash of its content.

    Raises:
        Unreadable: the record holds a number beyond all bounds, or is nested too deeply.
    """
    try:
        payload = json.dumps(record, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        raise Unreadable("the body holds a number beyond all bounds, or is nested too deeply") from None
    known = isinstance(message_id, str) and is_id(message_id)
    return Item(str(message_id) if known else hashlib.sha256(payload.encode()).hexdigest(), payload)


def is_id(text: str) -> bool:
    """Whether a text can be an id: something that can be printed, of a length that can be kept."""
    return 0 < len(text) <= _MAX_ID_CHARACTERS and text.isprintable()


def form_fields(request: Request) -> list[tuple[str, str]]:
    """The fields of a form body, URL-encoded or multipart, in their order; files are left out.

    Raises:
        Unreadable: it is no form, or one of more than a thousand fields.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        return _multipart_fields(request.body, content_type)
    try:
        text = request.body.decode()
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FORM_FIELDS)
    except ValueError:  # not UTF-8, or too many
        raise _no_form() from None


def _multipart_fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []

    def keep(field: Field) -> None:
        if len(fields) == _MAX_FORM_FIELDS:
            raise _no_form()
        fields.append(((field.field_name or b"").decode(), (field.value or b"").decode(errors="replace")))

    try:
        parse_form({"Content-Type": content_type.encode()}, io.BytesIO(body), keep, None)
    except (FormParserError, ValueError):  # ValueError: a name that is not UTF-8
        raise _no_form() from None
    return fields


def _no_form() -> Unreadable:
    return Unreadable("the body is not a form of at most a thousand fields")


def _value(record: Any, key: str | None) -> object:
    return record.get(key) if key and isinstance(record, dict) else None
