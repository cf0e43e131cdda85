"""The events of a request, in the form in which they are landed.

An invalid event (NaN, a lone surrogate, too large, too deep, not an object) is landed as a text, which the source's
mapping rejects. So it appears among the rejects, and the rest of its batch is not lost with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from api.segment_com.body import InvalidPayload, PayloadTooLarge
from cdp.live import LiveItem

MAX_EVENT_BYTES = 32 * 1024
MAX_BATCH_EVENTS = 2_500
MAX_DEPTH = 100
# PostgreSQL limits index entries to 2,704 bytes.
MAX_MESSAGE_ID = 255

# Fields of an envelope that apply to all of its events.
_SHARED = ("context", "integrations")
# Fields of the delivery, not of the event: they change when the event is sent again, or must not be stored.
_DELIVERY_FIELDS = ("sentAt", "receivedAt", "writeKey")

_strict_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_lenient_json = json.JSONEncoder(separators=(",", ":")).encode


def single(call: str, body: Mapping[str, Any], received_at: datetime) -> list[LiveItem]:
    """The one event of a request to the route of its type, such as `/v1/track`.

    Raises:
        InvalidPayload: the event is invalid.
        PayloadTooLarge: the event is larger than 32 KB.
    """
    return _items([{**body, "type": call}], {}, {"receivedAt": _iso(received_at)})


def batch(envelope: Mapping[str, Any], received_at: datetime, *, is_import: bool = False) -> list[LiveItem]:
    """The events of an envelope `{batch, sentAt?, context?, integrations?}`, with the shared fields merged into each.

    The envelope's `sentAt` is the time of delivery by the client's clock. History imported without it keeps its own
    times, because they do not show how the client's clock is off today.

    Raises:
        InvalidPayload: the batch is missing, or all of its events are invalid.
        PayloadTooLarge: there are too many events, or none is valid and one is larger than 32 KB.
    """
    events = envelope.get("batch")
    if not isinstance(events, list):
        raise InvalidPayload("batch is missing or not a list")
    if len(events) > MAX_BATCH_EVENTS:
        raise PayloadTooLarge(f"A batch may have at most {MAX_BATCH_EVENTS} events")
    shared = {name: envelope[name] for name in _SHARED if isinstance(envelope.get(name), dict)}
    return _items(events, shared, _times(envelope.get("sentAt"), received_at, is_import))


def _times(sent_at: object, received_at: datetime, is_import: bool) -> dict[str, Any]:
    if sent_at is None:
        return {} if is_import else {"receivedAt": _iso(received_at)}
    return {"sentAt": sent_at, "receivedAt": _iso(received_at)}


def _items(events: Sequence[Any], shared: Mapping[str, Any], times: Mapping[str, Any]) -> list[LiveItem]:
    try:
        found = [_item(event, shared, times) for event in events]
        if events and not any(found):
            raise _refusal(events)
        return [item or _as_text(event) for item, event in zip(found, events, strict=True)]
    except RecursionError:
        raise InvalidPayload("The body is nested too deeply") from None


def _item(event: Any, shared: Mapping[str, Any], times: Mapping[str, Any]) -> LiveItem | None:
    """The completed event; None if it is invalid."""
    if not isinstance(event, dict):
        return None
    message_id = _message_id(event)
    merged = {name: _merged(value, event.get(name) or {}) for name, value in shared.items()}
    whole = {**event, **merged, **times}
    whole["messageId"] = message_id
    whole.pop("writeKey", None)
    try:
        text = _strict_json(whole)
        byte_count = len(text.encode())
    except ValueError:  # NaN, Infinity, or a lone surrogate
        return None
    if _is_too_deep(whole, text) or (byte_count > MAX_EVENT_BYTES and _is_too_large(event)):
        return None
    return LiveItem(message_id, text)


def _as_text(event: Any) -> LiveItem:
    content = _content(event)
    return LiveItem(_digest(content), _lenient_json(_lenient_json(content)))


def _refusal(events: Sequence[Any]) -> InvalidPayload | PayloadTooLarge:
    """The error if no event is valid: there is no valid one to lose by refusing the request."""
    if any(map(_is_too_large, events)):
        return PayloadTooLarge(f"An event is larger than {MAX_EVENT_BYTES // 1024} KB")
    return InvalidPayload(f"An event is an object of finite numbers and valid Unicode, at most {MAX_DEPTH} levels deep")


def _merged(shared: Any, own: Any) -> Any:
    """`own` merged over `shared`: objects by key, other values as a whole."""
    if not isinstance(shared, dict) or not isinstance(own, dict):
        return own
    return {**shared, **{key: _merged(shared.get(key), value) for key, value in own.items()}}


def _message_id(event: Mapping[str, Any]) -> str:
    """The client's id of the event, or else a hash that is the same when the event is sent again."""
    given = event.get("messageId")
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    is_usable = 0 < len(text) <= MAX_MESSAGE_ID and text.isprintable()
    return text if is_usable else _digest(_content(event))


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _content(event: Any) -> Any:
    """The event without the fields of its delivery."""
    if not isinstance(event, dict):
        return event
    return {name: value for name, value in event.items() if name not in _DELIVERY_FIELDS}


def _is_too_large(event: Any) -> bool:
    """Whether the event as sent, before merging, exceeds the limit."""
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode(errors="surrogatepass")) > MAX_EVENT_BYTES


def _is_too_deep(event: Mapping[str, Any], text: str) -> bool:
    # A cheap test first: few events have this many brackets.
    return text.count("{") + text.count("[") > MAX_DEPTH and _depth(event) > MAX_DEPTH


def _depth(event: Any) -> int:
    depth, level = 0, [event]
    while level:
        depth += 1
        level = [child for container in level for child in _values(container) if isinstance(child, dict | list)]
    return depth


def _values(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
