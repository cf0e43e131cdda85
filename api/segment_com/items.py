"""The events of a request, each as it will be landed.

An event that cannot be landed as it stands (NaN, half a surrogate pair, too large, too deep, no object) is landed as
a text, which the source's mapping refuses: it shows among the rejects, and the rest of its batch is not lost with it.
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
# PostgreSQL's index entries end at 2,704 bytes.
MAX_MESSAGE_ID = 255

# What an envelope says once for all of its events.
_SHARED = ("context", "integrations")
# What belongs to a sending and not to the event: it differs when the event is sent again, or must not be kept.
_OF_THE_SENDING = ("sentAt", "receivedAt", "writeKey")

_strict_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_lenient_json = json.JSONEncoder(separators=(",", ":")).encode


def single(call: str, body: Mapping[str, Any], received_at: datetime) -> list[LiveItem]:
    """The one event of a request to the route of its type, such as `/v1/track`.

    Raises:
        InvalidPayload: it cannot be landed as it stands.
        PayloadTooLarge: it is over 32 KB.
    """
    return _items([{**body, "type": call}], {}, {"receivedAt": _iso(received_at)})


def batch(envelope: Mapping[str, Any], received_at: datetime, *, is_import: bool = False) -> list[LiveItem]:
    """The events of an envelope `{batch, sentAt?, context?, integrations?}`; what they share is merged into each.

    The envelope's `sentAt` is the time of this sending, by the client's clock. History that is imported without one
    keeps the times that it has: they say nothing about the client's clock of today.

    Raises:
        InvalidPayload: there is no batch, or not one of its events can be landed as it stands.
        PayloadTooLarge: there are too many events, or none that is not over 32 KB.
    """
    events = envelope.get("batch")
    if not isinstance(events, list):
        raise InvalidPayload("batch is missing or is not a list")
    if len(events) > MAX_BATCH_EVENTS:
        raise PayloadTooLarge(f"A batch has at most {MAX_BATCH_EVENTS} events")
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
    """The event, completed; None where it cannot be landed as it stands."""
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
    except ValueError:  # NaN, Infinity, or half a surrogate pair
        return None
    if _is_too_deep(whole, text) or (byte_count > MAX_EVENT_BYTES and _is_too_large(event)):
        return None
    return LiveItem(message_id, text)


def _as_text(event: Any) -> LiveItem:
    lasting = _lasting(event)
    return LiveItem(_digest(lasting), _lenient_json(_lenient_json(lasting)))


def _refusal(events: Sequence[Any]) -> InvalidPayload | PayloadTooLarge:
    """No other event would be lost: the client may as well know."""
    if any(map(_is_too_large, events)):
        return PayloadTooLarge(f"An event is larger than {MAX_EVENT_BYTES // 1024} KB")
    return InvalidPayload(f"An event is an object of finite numbers and valid Unicode, at most {MAX_DEPTH} levels deep")


def _merged(shared: Any, own: Any) -> Any:
    """`own` over `shared`: objects key by key, everything else whole."""
    if not isinstance(shared, dict) or not isinstance(own, dict):
        return own
    return {**shared, **{key: _merged(shared.get(key), value) for key, value in own.items()}}


def _message_id(event: Mapping[str, Any]) -> str:
    """The client's id of the event, or one that is the same whenever the same event is sent again."""
    given = event.get("messageId")
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    is_fit = 0 < len(text) <= MAX_MESSAGE_ID and text.isprintable()
    return text if is_fit else _digest(_lasting(event))


def _digest(lasting: Any) -> str:
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()[:32]


def _lasting(event: Any) -> Any:
    if not isinstance(event, dict):
        return event
    return {name: value for name, value in event.items() if name not in _OF_THE_SENDING}


def _is_too_large(event: Any) -> bool:
    """As it was sent, without what is merged into it here."""
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode(errors="surrogatepass")) > MAX_EVENT_BYTES


def _is_too_deep(event: Mapping[str, Any], text: str) -> bool:
    # Few events have as many brackets as there may be levels.
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
