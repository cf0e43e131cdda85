"""Read request bodies (JSON records or form fields) and turn them into items."""

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

from cdp import json_text
from cdp.webhooks import Item, Request, TooMany, Unreadable

_MAX_ID_CHARACTERS = 200
_MAX_FORM_FIELDS = 1_000
# Twice what four megabytes hold of real events. Millions of empty ones would be at work for a minute, for nothing.
_MAX_RECORDS = 50_000


def document(request: Request) -> Any:
    """The body's JSON value. Bytes that are no text are U+FFFD in it.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        return json_text.loads(json_text.repaired(request.body))
    except ValueError:
        raise Unreadable("the body is not JSON") from None


def records(request: Request, lists: Sequence[str] = ()) -> list[Any]:
    """The records of a JSON body: the elements of a list, or of a list wrapped under one of `lists`, or the value.

    Raises:
        Unreadable: it is not JSON.
        TooMany: it has more than 50,000 records.
    """
    value = document(request)
    if isinstance(value, dict):
        value = next((value[key] for key in lists if isinstance(value.get(key), list)), value)
    if not isinstance(value, list):
        return [value]
    if len(value) > _MAX_RECORDS:
        raise TooMany(f"a webhook has at most {_MAX_RECORDS:,} records")
    return value


def by_id(
    key: str | None = None, lists: Sequence[str] = (), *, delivery_header: str | None = None
) -> Callable[[Request], list[Item]]:
    """A reader of JSON bodies whose records have their id under `key`.

    A record without one is known by its delivery, whose id is in `delivery_header`, and its place in it; where there is
    no such header, by a hash of its content.
    """

    def items(request: Request) -> list[Item]:
        found = enumerate(records(request, lists), start=1)
        return [
            item(record, _value(record, key) or _placed(request, delivery_header, place)) for place, record in found
        ]

    return items


def _placed(request: Request, delivery_header: str | None, place: int) -> str | None:
    return f"{request.header(delivery_header)}:{place}" if delivery_header else None


def item(record: Any, message_id: object = None) -> Item:
    """A record as an item. Its id is `message_id` if that is usable as one, else the hash of its content.

    A record with an infinite number or NaN, which is not JSON, becomes a text: the source's mapping rejects it, and the
    records that came with it are not lost.
    """
    try:
        payload = _json(record)
    except ValueError:
        payload = _json(json.dumps(record))
    is_usable = isinstance(message_id, str) and is_id(message_id)
    return Item(str(message_id) if is_usable else hashlib.sha256(payload.encode()).hexdigest(), payload)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def is_id(text: str) -> bool:
    """Whether a text is usable as an id: printable, and short enough to store."""
    return 0 < len(text) <= _MAX_ID_CHARACTERS and text.isprintable()


def form_fields(request: Request) -> list[tuple[str, str]]:
    """The fields of a form body, URL-encoded or multipart, in their order, without files.

    Raises:
        Unreadable: the body is not a form, or has more than a thousand fields.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        return _multipart_fields(request.body, content_type)
    try:
        text = request.body.decode()
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FORM_FIELDS)
    except ValueError:  # not UTF-8, or too many
        raise _invalid_form() from None


def _multipart_fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []

    def keep(field: Field) -> None:
        if len(fields) == _MAX_FORM_FIELDS:
            raise _invalid_form()
        fields.append(((field.field_name or b"").decode(), (field.value or b"").decode(errors="replace")))

    try:
        parse_form({"Content-Type": content_type.encode()}, io.BytesIO(body), keep, None)
    except (FormParserError, ValueError):  # ValueError: a name that is not UTF-8
        raise _invalid_form() from None
    return fields


def _invalid_form() -> Unreadable:
    return Unreadable("the body is not a form of at most a thousand fields")


def _value(record: Any, key: str | None) -> object:
    return record.get(key) if key and isinstance(record, dict) else None
