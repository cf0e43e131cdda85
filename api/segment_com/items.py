"""The events of a request, in the form in which they are landed.

An event that says no id of its own gets one here: only a client can say that it repeats itself.

An invalid event (NaN, a lone surrogate, too large, too deep, not an object) is landed as a text, which the source's
mapping rejects. So it appears among the rejects, and the rest of its batch is not lost with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.segment_com.body import InvalidPayload, PayloadTooLarge
from cdp.ids import random_id
from cdp.json_text import MAX_DEPTH, depth_of, may_be_deep
from cdp.live import LiveItem
from cdp.sources import STAMP

MAX_EVENT_BYTES = 32 * 1024
MAX_BATCH_EVENTS = 2_500
# PostgreSQL limits index entries to 2,704 bytes.
MAX_MESSAGE_ID = 255

# Fields of an envelope that apply to all of its events.
_SHARED = ("context", "integrations")
# Fields of the delivery, not of the event: they change when the event is sent again, or must not be stored.
_DELIVERY_FIELDS = ("sentAt", "receivedAt", STAMP, "writeKey")

_strict_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_lenient_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True)
class Delivery:
    """When a request came, and the credential that it came by, for each event's `receivedBy`."""

    received_at: datetime
    received_by: Mapping[str, Any]

    def fields(self, sent_at: object = None, *, tells_when: bool = True) -> dict[str, Any]:
        """What each event is given. `sent_at`: the time of sending by the client's clock, if it is known."""
        sent = {"sentAt": sent_at} if sent_at is not None else {}
        received = {"receivedAt": _iso(self.received_at)} if tells_when else {}
        return {**sent, **received, STAMP: self.received_by}


def single(call: str, body: Mapping[str, Any], delivery: Delivery) -> list[LiveItem]:
    """The one event of a request to the route of its type, such as `/v1/track`.

    Raises:
        InvalidPayload: the event is invalid.
        PayloadTooLarge: the event is larger than 32 KB.
    """
    return _items([{**body, "type": call}], {}, delivery.fields(), is_history=False)


def batch(envelope: Mapping[str, Any], delivery: Delivery, *, is_import: bool = False) -> list[LiveItem]:
    """The events of an envelope `{batch, sentAt?, context?, integrations?}`, with the shared fields merged into each.

    The envelope's `sentAt` is the time of delivery by the client's clock. History imported without it keeps its own
    times, because they do not show how the client's clock is off today. An event of history that has a time but no id
    is known again by its content.

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
    if _is_too_large(shared):
        raise PayloadTooLarge(f"What the events share is larger than {MAX_EVENT_BYTES // 1024} KB")
    sent_at = envelope.get("sentAt")
    given = delivery.fields(sent_at, tells_when=sent_at is not None or not is_import)
    return _items(events, shared, given, is_history=is_import)


def _items(
    events: Sequence[Any], shared: Mapping[str, Any], given: Mapping[str, Any], *, is_history: bool
) -> list[LiveItem]:
    found = [_item(event, shared, given, is_history=is_history) for event in events]
    if events and not any(found):
        raise _refusal(events)
    return [item or _as_text(event) for item, event in zip(found, events, strict=True)]


def _item(event: Any, shared: Mapping[str, Any], given: Mapping[str, Any], *, is_history: bool) -> LiveItem | None:
    """The completed event; None if it is invalid."""
    if not isinstance(event, dict):
        return None
    message_id = _message_id(event, is_history=is_history)
    merged = {name: _merged(value, event.get(name) or {}) for name, value in shared.items()}
    whole = {**event, **merged, **given}
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


def _message_id(event: Mapping[str, Any], *, is_history: bool) -> str:
    """The client's id of the event. One that no store can hold is replaced by a hash, which a repeat has as well."""
    given = event.get("messageId")
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if 0 < len(text) <= MAX_MESSAGE_ID and text.isprintable():
        return text
    is_known_again = given not in (None, "") or (is_history and _has_time(event))
    return _digest(_content(event)) if is_known_again else random_id("evt")


def _has_time(event: Mapping[str, Any]) -> bool:
    return any(event.get(name) for name in ("timestamp", "originalTimestamp"))


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
    return may_be_deep(text) and depth_of(event) > MAX_DEPTH


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
