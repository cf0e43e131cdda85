"""Bodies and events of tracking requests in the form in which they are landed, including malformed and hostile ones."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import ApiError
from api.segment_com import items
from api.segment_com.body import InvalidPayload, PayloadTooLarge, read_object

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
DELIVERY = items.Delivery(NOW, {"name": "site", "isClaim": True})
BY = {"receivedBy": {"name": "site", "isClaim": True}}
RECEIVED = {"receivedAt": "2026-07-01T12:00:00.000Z", **BY}
TRACK: dict[str, Any] = {"type": "track", "event": "Song Played", "userId": "u1", "messageId": "m1"}

Event = dict[str, Any]


def compressed(body: bytes) -> bytes:
    """Gzip without a timestamp: test ids contain the bodies and must be the same in every process."""
    return gzip.compress(body, mtime=0)


def landed(event: Any, **envelope: Any) -> Any:
    """The payload of `event`, sent together with a valid event."""
    item, _ = items.batch({"batch": [event, {**TRACK, "messageId": "other"}], **envelope}, DELIVERY)
    return json.loads(str(item.payload))


@pytest.mark.parametrize(
    ("event", "envelope", "expected"),
    [
        (TRACK, {}, {**TRACK, **RECEIVED}),
        # The envelope's `sentAt` takes precedence; the event's own may be from an earlier attempt.
        ({**TRACK, "sentAt": "old"}, {"sentAt": "new"}, {**TRACK, **RECEIVED, "sentAt": "new"}),
        ({**TRACK, "sentAt": "own"}, {}, {**TRACK, **RECEIVED, "sentAt": "own"}),
        ({**TRACK, "receivedAt": "2001-01-01"}, {}, {**TRACK, **RECEIVED}),
        # Who sends an event does not say by what right.
        ({**TRACK, "receivedBy": {"isClaim": False, "mayGrant": "yes"}}, {}, {**TRACK, **RECEIVED}),
        # A key is a credential and is not stored.
        ({**TRACK, "writeKey": "wk_1"}, {"writeKey": "wk_1"}, {**TRACK, **RECEIVED}),
        # The event's own fields override those of the envelope.
        (
            {**TRACK, "context": {"ip": "b", "app": {"name": "own"}, "os": None}},
            {"context": {"ip": "a", "app": {"name": "shared", "build": 1}, "os": "x", "locale": "de"}},
            {
                **{**TRACK, **RECEIVED},
                "context": {"ip": "b", "app": {"name": "own", "build": 1}, "os": None, "locale": "de"},
            },
        ),
        ({**TRACK, "context": None}, {"context": {"ip": "a"}}, {**TRACK, **RECEIVED, "context": {"ip": "a"}}),
        (
            TRACK,
            {"context": "nonsense", "integrations": {"All": True}},
            {**TRACK, **RECEIVED, "integrations": {"All": True}},
        ),
        # Null removes a trait, so it must be kept.
        (
            {**TRACK, "traits": {"city": None, "plan": ""}},
            {},
            {**TRACK, **RECEIVED, "traits": {"city": None, "plan": ""}},
        ),
        (
            {**TRACK, "userId": 123456789012345678901234567890},
            {},
            {**TRACK, **RECEIVED, "userId": int("1234567890" * 3)},
        ),
        ({**TRACK, "messageId": 17}, {}, {**TRACK, **RECEIVED, "messageId": "17"}),
    ],
)
def test_events_are_landed_in_this_form(event: Event, envelope: Event, expected: Event) -> None:
    assert landed(event, **envelope) == expected


@pytest.mark.parametrize(
    "event",
    [
        *(None, 1, "track", [TRACK], True),
        *({**TRACK, "value": value} for value in (float("nan"), float("inf"), "\ud800")),
        {**TRACK, "value": "x" * items.MAX_EVENT_BYTES},
        {**TRACK, "value": json.loads("[" * items.MAX_DEPTH + "]" * items.MAX_DEPTH)},
    ],
    ids=repr,
)
def test_an_invalid_event_is_landed_as_text_without_affecting_others(event: Any) -> None:
    text = landed(event)
    assert json.dumps(json.loads(text)) == json.dumps(event)
    with pytest.raises(ApiError) as refused:
        items.batch({"batch": [event]}, DELIVERY)
    assert refused.value.http_status == (413 if "xxx" in text else 400)


def test_the_size_limit_applies_to_the_event_as_sent() -> None:
    room = items.MAX_EVENT_BYTES - len(json.dumps({**TRACK, "value": ""}, separators=(",", ":")))
    largest = {**TRACK, "value": "x" * room}
    assert landed(largest, context={"shared": "y" * 1000})["value"] == largest["value"]
    assert isinstance(landed({**TRACK, "value": "x" * (room + 1)}), str)
    # Bytes count, not characters.
    assert isinstance(landed({**TRACK, "value": "€" * (room // 3 + 1)}), str)


def test_depth_is_limited_and_breadth_is_not() -> None:
    def nested(depth: int) -> Event:
        return {**TRACK, "value": json.loads("[" * depth + "]" * depth)}

    assert landed(nested(items.MAX_DEPTH - 1))["value"]
    assert isinstance(landed(nested(items.MAX_DEPTH)), str)
    wide = {**TRACK, "products": [{"sku": str(number)} for number in range(500)]}
    assert len(landed(wide)["products"]) == 500


@pytest.mark.parametrize("message_id", [None, ""])
def test_events_without_an_id_are_events_each_time(message_id: Any) -> None:
    event = {"userId": "u", "event": "Button Clicked", "messageId": message_id, "timestamp": "2026-07-01T11:00:00Z"}
    five = [item for _ in range(5) for item in items.single("track", event, DELIVERY)]
    assert len({item.message_id for item in five}) == 5
    assert [json.loads(str(item.payload))["messageId"] for item in five] == [item.message_id for item in five]


def test_history_without_ids_is_known_again_by_its_content() -> None:
    past = {"type": "track", "event": "Song Played", "userId": "u1", "timestamp": "2020-01-01T00:00:00Z"}
    first, again = (items.batch({"batch": [past]}, DELIVERY, is_import=True) for _ in range(2))
    assert first == again
    timeless = {name: value for name, value in past.items() if name != "timestamp"}
    first, again = (items.batch({"batch": [timeless]}, DELIVERY, is_import=True) for _ in range(2))
    assert first != again


@pytest.mark.parametrize("message_id", [" \n", "m\0", "m" * 256, True, 1.5, ["m"], {"m": 1}])
def test_an_unusable_id_is_replaced_by_a_stable_one(message_id: Any) -> None:
    event = {**TRACK, "messageId": message_id}
    again = {**event, "sentAt": "later", "writeKey": "wk_2"}
    other = {**event, "event": "Song Skipped"}
    found = [item.message_id for item in items.batch({"batch": [event, again, other]}, DELIVERY)]
    assert found[0] == found[1] != found[2]
    assert landed(event)["messageId"] == found[0]


def test_a_single_call_has_the_type_of_its_route() -> None:
    [item] = items.single("page", {"type": "hug", "userId": "u1", "sentAt": "s", "messageId": "m"}, DELIVERY)
    assert json.loads(str(item.payload)) == {
        "type": "page",
        "userId": "u1",
        "sentAt": "s",
        "messageId": "m",
        **RECEIVED,
    }


def test_imported_history_keeps_its_times() -> None:
    past = {**TRACK, "sentAt": "2020-01-01T00:00:00Z", "timestamp": "2020-01-01T00:00:00Z"}
    [item] = items.batch({"batch": [past]}, DELIVERY, is_import=True)
    assert json.loads(str(item.payload)) == past | BY
    [item] = items.batch({"batch": [past], "sentAt": "2026-07-01T12:00:01Z"}, DELIVERY, is_import=True)
    assert json.loads(str(item.payload)) == {**past, **RECEIVED, "sentAt": "2026-07-01T12:00:01Z"}


@pytest.mark.parametrize(
    ("envelope", "error"),
    [
        ({}, InvalidPayload),
        ({"batch": None}, InvalidPayload),
        ({"batch": {"type": "track"}}, InvalidPayload),
        ({"batch": [TRACK] * 2_501}, PayloadTooLarge),
    ],
)
def test_invalid_envelopes_are_refused(envelope: Event, error: type[ApiError]) -> None:
    with pytest.raises(error):
        items.batch(envelope, DELIVERY)


def test_full_and_empty_batches_are_accepted() -> None:
    assert len(items.batch({"batch": [TRACK] * 2_500}, DELIVERY)) == 2_500
    assert items.batch({"batch": []}, DELIVERY) == []


def json_values(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    )


STORABLE = json_values(st.none() | st.booleans() | st.integers() | st.text())
ANY = json_values(STORABLE | st.floats() | st.text(st.characters(exclude_categories=())))


@given(st.dictionaries(st.sampled_from(["type", "messageId", "context", "traits", "sentAt", "x"]), ANY), ANY, STORABLE)
@pytest.mark.slow
def test_every_event_becomes_one_item_that_any_store_can_hold(event: Event, other: Any, shared: Any) -> None:
    envelope = {"batch": [TRACK, event, other], "context": shared}
    found = items.batch(envelope, DELIVERY)
    assert len(found) == 3
    for item in found:
        assert item.message_id.isprintable()
        assert 0 < len(item.message_id) <= items.MAX_MESSAGE_ID
        assert isinstance(item.payload, str)
        assert "\0" not in item.payload
        json.loads(item.payload.encode(), parse_constant=pytest.fail)


# --- bodies -------------------------------------------------------------------------------------------------

LIMIT = 500 * 1024


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1}',
        b' \n{"a": 1}\n',
        b"\xef\xbb\xbf" + b'{"a": 1}',
        b'{"a": 2, "a": 1}',
        compressed(b'{"a": 1}'),
        compressed(b'{"a":') + compressed(b" 1}"),
    ],
)
def test_valid_bodies_are_read(body: bytes) -> None:
    assert read_object(body, LIMIT) == {"a": 1}


@pytest.mark.parametrize(
    ("value", "read"),
    [(b'"\xff"', "\ufffd"), (b'"\xed\xa0\x80"', "\ufffd" * 3), (b"1" * 5_000, "1" * 5_000)],
    ids=["no UTF-8", "half a pair", "long"],
)
def test_a_bad_value_does_not_make_a_body_unreadable(value: bytes, read: str) -> None:
    assert read_object(b'{"a": ' + value + b"}", LIMIT) == {"a": read}


WHOLE = compressed(b'{"a": 1}')


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"text"', b"1", b"track", b'{"a": 1', b'{"a": 1}x', b"{'a': 1}"),
        *(b'{"a": \xff}', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000),
        *(WHOLE[:-1], WHOLE[:12], WHOLE[:-8] + b"\0" * 8, WHOLE + b"rest", b"\x1f\x8b", compressed(WHOLE)),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_bodies_that_are_not_json_objects_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidPayload):
        read_object(body, LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "' + b"x" * LIMIT + b'"}',
        compressed(b'{"a": "' + b"x" * LIMIT + b'"}'),
        compressed(b" " * 100_000_000),
        b"".join([compressed(b" " * 1_000)] * 1_000),
    ],
    ids=["plain", "gzip", "bomb", "many members"],
)
def test_bodies_over_the_limit_are_refused(body: bytes) -> None:
    with pytest.raises(PayloadTooLarge):
        read_object(body, LIMIT)
