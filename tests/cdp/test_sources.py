"""What each source's SELECT makes of payloads as their providers emit them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cdp.channels import CHANNEL_NAMES
from cdp.fields import EVENT_TYPES
from cdp.providers import load_sources
from cdp.sources import MAPPED, Source
from cdp.sources.columns import load_mapping, select_for
from cdp.warehouse import Warehouse, open_memory

ROOT = Path(__file__).resolve().parents[2]
PROVIDERS = ROOT.parent / "shared" / "data" / "providers"
SAMPLE = ROOT / "data" / "sample"
SOURCES = load_sources()
READY = [source for source in SOURCES.values() if not source.needs_mapping]
RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)

Item = dict[str, Any]
Row = dict[str, Any]


@cache
def scratch() -> Warehouse:
    """One warehouse for all tests: opening it costs more than a mapping. Each use makes its tables anew."""
    return open_memory()


def map_items(select: str, items: list[Any]) -> list[Row]:
    """The rows that `select` makes of `items` (one a line), cast to the types of `MAPPED`."""
    warehouse = scratch()
    raw = pl.DataFrame(
        {
            "file_id": ["f" * 16] * len(items),
            "line_number": range(1, len(items) + 1),
            "item_number": [1] * len(items),
            "payload": [json.dumps(item) for item in items],
            "received_at": [RECEIVED] * len(items),
        },
        schema_overrides={"payload": pl.String},
    )
    columns = ", ".join(f"{column.name} {column.type.sql}" for column in MAPPED.columns)
    warehouse.run(f"create or replace table mapped ({columns})")
    with warehouse.frame("rows", raw):
        warehouse.run("create or replace table raw as select * replace (payload::json as payload) from rows")
    warehouse.run(f"insert into mapped by name {select}")
    # Python's calendar ends before DuckDB's; the conforming rules refuse such times.
    return warehouse.query(
        "select * replace (if(occurred_at < timestamptz '3000-01-01', occurred_at, null) as occurred_at) "
        "from mapped order by line_number"
    ).to_dicts()


def mapped(source: str, *items: Any) -> list[Row]:
    return map_items(SOURCES[source].select, list(items))


def seen(row: Row, expected: Row) -> Row:
    """The part of `row` that `expected` speaks of."""
    return {name: row[name] for name in expected}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- every source -------------------------------------------------------------------------------------------

HOSTILE: list[Any] = [
    {},
    [],
    "text",
    7,
    None,
    {"type": "track", "event": {"a": 1}, "userId": [1], "timestamp": {}, "traits": "x", "context": "y"},
    {
        "type": "track",
        "event": "e",
        "userId": "u",
        "timestamp": "290000-01-01T00:00:00Z",
        "sentAt": "infinity",
    },
    {
        **{"type": "track", "event": "e", "userId": "u", "timestamp": "infinity"},
        **{"sentAt": "-infinity", "receivedAt": "infinity"},
    },
    {"event": "open", "email": "a@example.com", "timestamp": "1e300"},
    {"event": "open", "email": "a@example.com", "timestamp": -(10**15)},
    {"MessageSid": "SM1", "From": "+12025550123", "To": "x", "SmsStatus": "received", "DateSent": "infinity"},
    {"object": "whatsapp_business_account", "entry": {"changes": 1}},
    {"entry": [{"changes": [{"value": {"statuses": [{"id": "w", "status": "sent", "timestamp": "1e99"}]}}]}]},
    {"entry": [{"changes": []}, {}, 5]},
    {
        "id": 1,
        "total_price": "1e99",
        "created_at": "infinity",
        "refunds": {},
        "customer": [],
        "line_items": 3,
    },
    {"order": None},
    {"message_id": 1, "instance_id": {}, "event": "MESSAGE_DELIVERED", "event_timestamp": "infinity"},
]


@pytest.mark.parametrize("source", READY, ids=lambda source: source.name)
def test_no_payload_stops_a_mapping_or_is_lost(source: Source) -> None:
    rows = map_items(source.select, HOSTILE)
    assert {row["line_number"] for row in rows} == set(range(1, len(HOSTILE) + 1))


@pytest.mark.parametrize("source", READY, ids=lambda source: source.name)
def test_a_select_returns_columns_of_the_contract(source: Source) -> None:
    warehouse = open_memory()
    warehouse.run("create table raw (file_id text, line_number bigint, payload json, received_at timestamptz)")
    returned = warehouse.query(f"describe {source.select}")["column_name"].to_list()
    assert set(returned) <= set(MAPPED.column_names())
    assert {"file_id", "line_number", "received_at", "refused", "refused_detail"} <= set(returned)


def has_an_outcome(row: Row) -> bool:
    if row["refused"]:
        return bool(row["refused_detail"])
    identified = any(row[name] for name in ("customer_id", "email", "phone", "device_token", "anonymous_id"))
    if row["event_type"] is None:
        return identified
    return identified and row["event_type"] in EVENT_TYPES and row["channel"] in CHANNEL_NAMES and row["occurred_at"]


# --- sendgrid -----------------------------------------------------------------------------------------------

SENDGRID = {
    "email": "ann@example.com",
    "timestamp": 1461095250,
    "event": "open",
    "sg_event_id": "e1",
    "sg_message_id": "m1",
}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {"event_type": "opened", "occurred_at": at("2016-04-19T19:47:30Z"), "event_key": "e1"}),
        ({"sg_machine_open": True}, {"event_type": "opened", "is_machine": True}),
        ({"event": "bounce", "type": "blocked"}, {"event_type": "bounced", "consent_channel": None}),
        ({"category": ["spring", "sale"]}, {"campaign_ref": "spring"}),
        ({"category": "spring"}, {"campaign_ref": "spring"}),
        ({"category": []}, {"campaign_ref": None}),
        ({"category": "spring", "campaign_id": "c9"}, {"campaign_ref": "c9"}),
        (
            {"event": "group_unsubscribe", "asm_group_id": 24101},
            {"event_type": "unsubscribed", "consent_state": "withdrawn", "consent_scope": "topic"},
        ),
        (
            {"event": "unsubscribe", "asm_group_id": 24101},
            {"event_type": "unsubscribed", "consent_topic": None, "consent_scope": "channel"},
        ),
        ({"event": "group_resubscribe"}, {"event_type": "resubscribed", "consent_state": "granted"}),
        ({"event": "spamreport"}, {"event_type": "complained", "consent_channel": "email"}),
        ({"event": None}, {"refused": "unknown_event", "refused_detail": "event"}),
        ({"email": " "}, {"refused": "no_identifier", "refused_detail": "email"}),
        ({"timestamp": "soon"}, {"refused": "bad_time", "refused_detail": "timestamp"}),
    ],
)
def test_sendgrid(payload: Item, expected: Row) -> None:
    [row] = mapped("sendgrid", {**SENDGRID, **payload})
    assert seen(row, expected) == expected


# --- twilio -------------------------------------------------------------------------------------------------

LOGGED = {
    **{"From": "+12025550143", "To": "+15551234567", "Body": "hello", "Status": "delivered", "Sid": "SM1"},
    **{"SentDate": "2024-01-01T10:00:00-05:00", "Direction": "outbound-api", "ErrorCode": "0"},
}
LISTED = {
    **{"from": "BRAND", "to": "+15551234567", "status": "undelivered", "sid": "SM2", "error_code": 30003},
    **{"date_sent": "Fri, 24 May 2019 17:44:46 +0000", "direction": "outbound-api", "num_segments": "1"},
}
INBOUND = {
    "MessageSid": "SM3",
    "From": "+15551234567",
    "To": "+12025550143",
    "SmsStatus": "received",
    "Body": "hi",
}
CALLBACK = {"MessageSid": "SM4", "MessageStatus": "sent", "To": "+15551234567", "From": "+12025550143"}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (LOGGED, {"event_type": "delivered", "channel": "sms", "phone": "+15551234567"}),
        (LOGGED, {"occurred_at": at("2024-01-01T15:00:00Z"), "event_key": "SM1:delivered"}),
        *(
            ({**LOGGED, "Status": status}, {"event_type": event_type})
            for status, event_type in [
                *(("queued", "queued"), ("accepted", "queued"), ("scheduled", "queued"), ("sending", "sent")),
                *(("sent", "sent"), ("read", "opened"), ("undelivered", "bounced"), ("failed", "failed")),
                ("canceled", "rejected"),
            ]
        ),
        (
            {**LOGGED, "Status": "received", "Direction": "inbound"},
            {"event_type": "replied", "phone": "+12025550143"},
        ),
        (
            LISTED,
            {"event_type": "bounced", "occurred_at": at("2019-05-24T17:44:46Z"), "phone": "+15551234567"},
        ),
        ({**LISTED, "date_sent": None, "date_created": LISTED["date_sent"]}, {"refused": None}),
        (
            INBOUND,
            {"event_type": "replied", "occurred_at": RECEIVED, "phone": "+15551234567", "is_verified": True},
        ),
        ({**INBOUND, "Timestamp": "2024-05-01T08:00:00Z"}, {"occurred_at": at("2024-05-01T08:00:00Z")}),
        *(
            (
                {**INBOUND, "Body": word},
                {"event_type": "unsubscribed", "consent_state": "withdrawn", "consent_channel": "sms"},
            )
            for word in ("STOP", "stopall", " Unsubscribe ", "CANCEL", "end", "Quit")
        ),
        *(
            (
                {**INBOUND, "Body": word},
                {"event_type": "resubscribed", "consent_state": "granted", "consent_scope": "channel"},
            )
            for word in ("start", "YES", "UnStop")
        ),
        ({**INBOUND, "Body": "stop it please"}, {"event_type": "replied", "consent_channel": None}),
        ({**INBOUND, "Body": "HELP"}, {"event_type": "replied", "consent_channel": None}),
        ({**INBOUND, "Body": "arret", "OptOutType": "STOP"}, {"event_type": "unsubscribed"}),
        ({**LOGGED, "Body": "STOP"}, {"event_type": "delivered", "consent_channel": None}),
        (
            {
                **INBOUND,
                "From": "whatsapp:+15551234567",
                "To": "whatsapp:+12025550143",
                "ProfileName": "Ann B. Lee",
            },
            {"channel": "whatsapp", "phone": "+15551234567", "first_name": "Ann B.", "last_name": "Lee"},
        ),
        (CALLBACK, {"event_type": "sent", "event_key": "SM4:sent", "phone": "+15551234567"}),
        ({**INBOUND, "From": "12345"}, {"refused": "no_identifier", "refused_detail": "From", "phone": None}),
        ({**LOGGED, "To": "BRAND"}, {"refused": "no_identifier", "refused_detail": "To", "phone": None}),
        ({**LOGGED, "Status": "lost"}, {"refused": "unknown_event", "refused_detail": "Status"}),
        ({**LOGGED, "SentDate": ""}, {"refused": "bad_time", "refused_detail": "SentDate"}),
        ({**LOGGED, "SentDate": "2026-02-31T25:61:00Z"}, {"refused": "bad_time"}),
    ],
)
def test_twilio(payload: Item, expected: Row) -> None:
    [row] = mapped("twilio", payload)
    assert seen(row, expected) == expected


def test_twilio_export_and_callback_of_one_delivery_are_one_event() -> None:
    logged, called_back = mapped("twilio", LOGGED, {**CALLBACK, "MessageSid": "SM1", "MessageStatus": "delivered"})
    assert logged["event_key"] == called_back["event_key"]


# --- segment ------------------------------------------------------------------------------------------------

TRACK = {"type": "track", "event": "Song Played", "userId": "u1", "timestamp": "2024-05-01T08:00:00Z"}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {"event_type": "custom", "event_name": "Song Played", "channel": "web", "customer_id": "u1"}),
        ({"type": "TRACK", "event": "ORDER_COMPLETED"}, {"event_type": "ordered", "channel": "web"}),
        *(
            ({"event": event}, {"event_type": event_type, "channel": channel})
            for event, channel, event_type in [
                ("Product Viewed", "web", "product_viewed"),
                ("Product Added", "web", "added_to_cart"),
                ("Checkout Started", "web", "checkout_started"),
                ("Order Refunded", "web", "refunded"),
                ("Email Delivered", "email", "delivered"),
                ("Email Opened", "email", "opened"),
                ("Email Link Clicked", "email", "clicked"),
                ("Email Marked as Spam", "email", "complained"),
                ("Email Bounced", "email", "bounced"),
                ("Unsubscribed", "email", "unsubscribed"),
                ("SMS Delivered", "sms", "delivered"),
                ("Push Notification Received", "push", "delivered"),
                ("Push Notification Tapped", "push", "clicked"),
                ("Push Notification Bounced", "push", "bounced"),
            ]
        ),
        ({"event": "Unsubscribed"}, {"consent_channel": "email", "consent_state": "withdrawn"}),
        ({"type": "page", "name": "Home"}, {"event_type": "viewed", "event_name": "Home", "channel": "web"}),
        ({"type": "screen", "name": "Home"}, {"event_type": "viewed", "channel": "app"}),
        ({"context": {"library": {"name": "analytics-kotlin"}}}, {"channel": "app"}),
        ({"context": {"library": {"name": "analytics.js"}, "app": {"name": "Shop"}}}, {"channel": "web"}),
        ({"context": {"device": {"type": "ios", "token": "t1"}}}, {"channel": "app", "device_token": "t1"}),
        (
            {"properties": {"total": "19.98", "revenue": 15, "currency": "EUR", "order_id": 50314}},
            {"amount": Decimal("19.98"), "currency": "EUR"},
        ),
        ({"properties": {"orderId": "A1"}}, {"properties": '{"orderId":"A1","order_id":"A1"}'}),
        ({"userId": 1234}, {"customer_id": "1234"}),
        ({"userId": "null", "anonymousId": "a1"}, {"customer_id": None, "anonymous_id": "a1"}),
        (
            {"type": "identify", "traits": {"email": "ann@example.com", "name": "Ann B. Lee", "plan": "pro"}},
            {
                **{"event_type": "identified", "email": "ann@example.com", "properties": '{"plan":"pro"}'},
                **{"first_name": "Ann B.", "last_name": "Lee"},
            },
        ),
        (
            {"context": {"traits": {"email": "ann@example.com", "address": {"country": "DE", "postalCode": "1"}}}},
            {"email": "ann@example.com", "country": "DE", "postcode": "1"},
        ),
        ({"context": {"locale": "de-AT", "timezone": "Europe/Vienna"}}, {"timezone": "Europe/Vienna"}),
        (
            {
                "type": "group",
                "groupId": "g1",
                "traits": {"email": "office@example.com", "name": "Acme Corp"},
            },
            {"event_type": "custom", "event_name": "group", "email": None, "last_name": None},
        ),
        (
            {"type": "alias", "previousId": "old"},
            {"event_type": None, "customer_id": "u1", "external_ids": '{"previous_id":"old"}'},
        ),
        (
            {"context": {"externalIds": [{"id": "1", "type": "crm"}, {"id": "2", "type": "crm"}]}},
            {"external_ids": '{"crm":"2"}'},
        ),
        ({"type": "hug"}, {"refused": "unknown_event", "refused_detail": "type"}),
        ({"event": ""}, {"refused": "unknown_event", "refused_detail": "event"}),
        ({"userId": None}, {"refused": "no_identifier"}),
        ({"userId": "", "anonymousId": None}, {"refused": "no_identifier"}),
        ({"userId": "", "traits": {"email": "ann@example.com"}}, {"refused": "no_identifier"}),
        (
            {"type": "identify", "traits": {}, "context": {"traits": {"email": "ann@example.com", "plan": "pro"}}},
            {"email": "ann@example.com", "properties": '{"plan":"pro"}'},
        ),
        # Null removes, an empty text does not.
        (
            {"type": "identify", "traits": {"city": None, "plan": None, "phone": "", "seat": ""}},
            {"city": None, "phone": None, "properties": '{"city":null,"plan":null,"seat":""}'},
        ),
        ({"userId": "u" * 513}, {"refused": "bad_identifier"}),
        ({"userId": "u" * 512, "anonymousId": None}, {"refused": None}),
        ({"context": {"device": {"token": "t" * 10_000}}}, {"refused": None, "device_token": None}),
        ({"timestamp": "NOW"}, {"refused": "bad_time", "refused_detail": "timestamp"}),
    ],
)
def test_segment(payload: Item, expected: Row) -> None:
    [row] = mapped("segment", {**TRACK, **payload})
    assert seen(row, expected) == expected


@pytest.mark.parametrize("item", ['{"type": "track", "value": NaN}', "", 1, None, ["track"]])
def test_segment_refuses_what_is_no_object(item: Any) -> None:
    [row] = mapped("segment", item)
    assert row["refused"] == "malformed"


CLOCK = {
    "sentAt": "2024-05-01T08:00:02Z",
    "receivedAt": "2024-05-01T09:00:02Z",
}  # the client's is an hour behind


@pytest.mark.parametrize(
    ("times", "occurred_at"),
    [
        ({"timestamp": "2024-05-01T08:00:00Z"}, "2024-05-01T08:00:00Z"),
        ({"timestamp": None, "originalTimestamp": "2024-05-01T08:00:00+02:00"}, "2024-05-01T06:00:00Z"),
        ({"timestamp": "2024-05-01T08:00:00Z", **CLOCK}, "2024-05-01T09:00:00Z"),
        ({"timestamp": None, "originalTimestamp": "2024-05-01T08:00:00Z", **CLOCK}, "2024-05-01T09:00:00Z"),
        # The server has corrected `timestamp` already.
        (
            {"timestamp": "2024-05-01T09:00:00Z", "originalTimestamp": "2024-05-01T08:00:00Z", **CLOCK},
            "2024-05-01T09:00:00Z",
        ),
        ({"timestamp": None, **CLOCK}, "2024-05-01T09:00:02Z"),
        ({"timestamp": None}, RECEIVED.isoformat()),
    ],
)
def test_segment_time(times: Item, occurred_at: str) -> None:
    [row] = mapped("segment", {**TRACK, **times})
    assert row["occurred_at"] == at(occurred_at)


# --- fcm ----------------------------------------------------------------------------------------------------

DELIVERY = {
    **{"event": "MESSAGE_DELIVERED", "event_timestamp": "2024-01-01 10:00:00.5 UTC", "message_id": "m1"},
    **{"instance_id": "i1", "analytics_label": "spring", "project_number": "1"},
}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {"event_type": "delivered", "channel": "push", "device_token": "i1", "campaign_ref": "spring"}),
        ({}, {"occurred_at": at("2024-01-01T10:00:00.5Z"), "event_key": "m1:i1:MESSAGE_DELIVERED"}),
        ({"event": "MESSAGE_ACCEPTED"}, {"event_type": "sent"}),
        ({"event": "UNAUTHORIZED_REGISTRATION"}, {"event_type": "bounced"}),
        ({"event": "QUOTA_EXCEEDED"}, {"event_type": "failed"}),
        ({"event": "MESSAGE_SUNG"}, {"refused": "unknown_event", "refused_detail": "event"}),
        (
            {"instance_id": None, "topic": "news"},
            {"refused": "no_identifier", "refused_detail": "instance_id"},
        ),
        ({"event_timestamp": "never"}, {"refused": "bad_time", "refused_detail": "event_timestamp"}),
    ],
)
def test_fcm(payload: Item, expected: Row) -> None:
    [row] = mapped("fcm", {**DELIVERY, **payload})
    assert seen(row, expected) == expected


# --- whatsapp -----------------------------------------------------------------------------------------------


def body(field: str = "messages", **value: Any) -> Item:
    return {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": field, "value": value}]}]}


def status(name: str, **more: Any) -> Item:
    return {"id": "w1", "status": name, "timestamp": "1700000000", "recipient_id": "15551234567", **more}


def message(**more: Any) -> Item:
    return {"id": "w2", "from": "15551234567", "timestamp": "1700000000", "type": "text", **more}


def preference(value: str) -> Item:
    return body("user_preferences", user_preferences=[{"wa_id": "15551234567", "value": value, "timestamp": 17e8}])


STOPPED = {"event_type": "unsubscribed", "consent_state": "withdrawn", "consent_channel": "whatsapp"}
NAMED = [{"wa_id": "15551234567", "profile": {"name": "Ann B. Lee"}}]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (body(statuses=[status("delivered")]), {"event_type": "delivered", "phone": "+15551234567"}),
        (body(statuses=[status("read")]), {"event_type": "opened", "event_key": "w1:read"}),
        (body(statuses=[status("failed", errors=[{"code": 131026}])]), {"event_type": "failed"}),
        (body(statuses=[status("sent", biz_opaque_callback_data="spring")]), {"campaign_ref": "spring"}),
        (
            body(messages=[message(text={"body": "Thanks"})]),
            {"event_type": "replied", "consent_channel": None},
        ),
        (body(messages=[message(text={"body": " Stop "})]), STOPPED),
        (body(messages=[message(type="button", button={"text": "Stop promotions"})]), STOPPED),
        (body(messages=[message(text={"body": "start"})]), {"event_type": "resubscribed"}),
        (body(messages=[message(text={"body": "yes"})]), {"event_type": "replied", "consent_channel": None}),
        (body(messages=[message()], contacts=NAMED), {"first_name": "Ann B.", "last_name": "Lee"}),
        (body(messages=[message(**{"from": "15550000000"})], contacts=NAMED), {"first_name": None}),
        (preference("stop"), STOPPED),
        (preference("resume"), {"event_type": "resubscribed", "consent_state": "granted"}),
        (body("account_update", event="X"), {"refused": "unsupported", "refused_detail": "field"}),
        (body(statuses=[status("sung")]), {"refused": "unknown_event", "refused_detail": "status"}),
        (body(messages=[message(**{"from": None})]), {"refused": "no_identifier", "refused_detail": "from"}),
        (body(statuses=[status("sent", timestamp="soon")]), {"refused": "bad_time"}),
    ],
)
def test_whatsapp(payload: Item, expected: Row) -> None:
    [row] = mapped("whatsapp", payload)
    assert seen(row, expected) == expected


def test_a_whatsapp_body_with_several_statuses_is_as_many_events() -> None:
    two_entries = body(statuses=[status("sent"), status("delivered")], messages=[message()])
    two_entries["entry"] += body(statuses=[status("read")])["entry"]
    rows = mapped("whatsapp", two_entries)
    assert sorted(row["event_key"] for row in rows) == ["w1:delivered", "w1:read", "w1:sent", "w2:received"]


# --- shopify ------------------------------------------------------------------------------------------------

CUSTOMER = {
    **{"id": 5, "email": "ann@example.com", "first_name": "Ann", "last_name": "Lee", "verified_email": True},
    **{"phone": "+15551234567", "created_at": "2020-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"},
}
SUBSCRIBED = {
    "state": "subscribed",
    "opt_in_level": "single_opt_in",
    "consent_updated_at": "2023-01-01T00:00:00Z",
}
ORDER = {
    **{"id": 9, "name": "#1001", "total_price": "100.00", "currency": "EUR", "source_name": "web"},
    **{"created_at": "2024-01-01T10:00:00+01:00", "customer": CUSTOMER, "discount_codes": [{"code": "X"}]},
    "shipping_address": {"first_name": "Gift", "last_name": "Recipient", "city": "Rome"},
    "billing_address": {"first_name": "A.", "city": "Bonn", "country_code": "DE", "zip": "53111"},
}
REFUND = {
    **{"id": 77, "created_at": "2024-01-05T10:00:00Z"},
    "transactions": [
        {"kind": "refund", "status": "success", "amount": "30.00"},
        {"kind": "refund", "status": "failure", "amount": "99.00"},
    ],
}


def outcomes(*items: Item) -> list[tuple[Any, ...]]:
    rows = mapped("shopify", *items)
    return sorted(
        ((row["event_type"], row["amount"], row["consent_channel"], row["consent_state"]) for row in rows),
        key=str,
    )


def stated(**consents: Any) -> list[tuple[Any, ...]]:
    rows = mapped("shopify", {**CUSTOMER, **consents})
    return [(row["consent_channel"], row["consent_state"], row["consent_at"]) for row in rows if row["consent_channel"]]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({}, {"event_type": "ordered", "channel": "web", "amount": Decimal("100.00"), "currency": "EUR"}),
        ({}, {"customer_id": "5", "email": "ann@example.com", "first_name": "Ann", "last_name": "Lee"}),
        (
            {},
            {
                "city": "Bonn",
                "country": "DE",
                "occurred_at": at("2024-01-01T09:00:00Z"),
                "event_key": "order:9",
            },
        ),
        ({"source_name": "pos"}, {"channel": "store"}),
        ({"customer": None, "email": "b@example.com"}, {"email": "b@example.com", "first_name": "A."}),
        ({"buyer_accepts_marketing": True}, {"consent_channel": "email", "consent_state": "granted"}),
        ({"test": True}, {"refused": "test_order"}),
        ({"customer": None}, {"refused": "no_identifier", "refused_detail": "customer"}),
        ({"created_at": "x"}, {"refused": "bad_time", "refused_detail": "created_at"}),
        ({"total_price": "free"}, {"refused": "bad_amount", "refused_detail": "total_price"}),
    ],
)
def test_shopify_orders(payload: Item, expected: Row) -> None:
    [row] = mapped("shopify", {**ORDER, **payload})
    assert seen(row, expected) == expected


def test_shopify_order_properties() -> None:
    [row] = mapped("shopify", {**ORDER, "line_items": [{"product_id": 1, "title": "Mug", "quantity": 2}]})
    properties = json.loads(row["properties"])
    assert (properties["order_id"], properties["order_name"], properties["discount_codes"]) == (
        "9",
        "#1001",
        ["X"],
    )
    assert properties["products"][0]["title"] == "Mug"


def test_a_refund_counts_what_was_paid_back() -> None:
    ordered, refunded = mapped("shopify", {**ORDER, "refunds": [REFUND]})
    assert (ordered["event_type"], refunded["event_type"]) == ("ordered", "refunded")
    assert (refunded["amount"], refunded["event_key"]) == (Decimal("30.00"), "refund:77")


def test_a_cancelled_order_comes_to_nothing() -> None:
    rows = mapped("shopify", {**ORDER, "refunds": [REFUND], "cancelled_at": "2024-01-06T00:00:00Z"})
    amounts = {row["event_key"]: row["amount"] for row in rows}
    assert amounts == {"order:9": Decimal(100), "refund:77": Decimal(30), "cancellation:9": Decimal(70)}


@pytest.mark.parametrize(
    ("consents", "expected"),
    [
        ({}, []),
        ({"email_marketing_consent": SUBSCRIBED}, [("email", "granted", at("2023-01-01T00:00:00Z"))]),
        (
            {
                "email_marketing_consent": {**SUBSCRIBED, "state": "unsubscribed"},
                "sms_marketing_consent": {**SUBSCRIBED, "state": "pending"},
            },
            [
                ("email", "withdrawn", at("2023-01-01T00:00:00Z")),
                ("sms", "pending", at("2023-01-01T00:00:00Z")),
            ],
        ),
        ({"email_marketing_consent": {"state": "not_subscribed"}, "accepts_marketing": True}, []),
        (
            {"accepts_marketing": True, "accepts_marketing_updated_at": "2021-01-01T00:00:00Z"},
            [("email", "granted", at("2021-01-01T00:00:00Z"))],
        ),
        (
            {"accepts_marketing": False, "accepts_marketing_updated_at": "2021-01-01T00:00:00Z"},
            [("email", "withdrawn", at("2021-01-01T00:00:00Z"))],
        ),
        ({"accepts_marketing": False, "accepts_marketing_updated_at": CUSTOMER["created_at"]}, []),
    ],
)
def test_shopify_consents(consents: Item, expected: list[Any]) -> None:
    assert stated(**consents) == expected


def test_shopify_customers_describe_and_wrappers_open() -> None:
    bare, wrapped = mapped("shopify", CUSTOMER, {"customer": CUSTOMER})
    assert bare["event_type"] is None and bare["is_verified"] and bare["customer_id"] == "5"
    assert {**wrapped, "line_number": 1} == bare
    assert outcomes({"order": ORDER}) == outcomes(ORDER)


def test_an_abandoned_checkout_was_started() -> None:
    [row] = mapped("shopify", {**ORDER, "abandoned_checkout_url": "https://shop.example/r"})
    assert (row["event_type"], row["event_key"]) == ("checkout_started", "checkout:9")


# --- recognition --------------------------------------------------------------------------------------------

FIRST_RECORDS = [
    ("sendgrid", SENDGRID),
    ("sendgrid", {**SENDGRID, "type": "bounce", "userId": "u1"}),
    ("twilio", LOGGED),
    ("twilio", {**LISTED, "account_sid": "AC1"}),
    ("twilio", INBOUND),
    ("twilio", {"MessageSid": "SM4", "MessageStatus": "sent", "AccountSid": "AC1"}),
    ("segment", {**TRACK, "messageId": "m"}),
    ("segment", {"type": "identify", "anonymousId": "a", "traits": {}}),
    ("fcm", DELIVERY),
    ("fcm", {"project_number": "1", "message_id": "m", "event": "MESSAGE_ACCEPTED"}),
    ("whatsapp", body()),
    ("mailgun", {"signature": {}, "event-data": {}}),
    ("mailgun", {"event": "opened", "id": "e1", "timestamp": 1.5, "log-level": "info", "recipient": "a@example.com"}),
    ("mailgun", {"event": "rejected", "id": "e1", "timestamp": 1.5, "log-level": "warn"}),
    ("postmark", {"RecordType": "Delivery", "MessageID": "m1", "Recipient": "a@example.com"}),
    ("postmark", {"RecordType": "SubscriptionChange", "MessageStream": "news", "Recipient": "a@example.com"}),
    ("ses", {"eventType": "Open", "mail": {}, "open": {}}),
    ("ses", {"notificationType": "Bounce", "mail": {}, "bounce": {}}),
    ("ses", {"Type": "Notification", "MessageId": "m1", "TopicArn": "t", "Message": "{}", "Timestamp": "2026"}),
    ("shopify", {**ORDER, "order_number": 1}),
    ("shopify", {**ORDER, "line_items": []}),
    ("shopify", CUSTOMER),
    ("shopify", {"order": ORDER}),
    ("shopify", {"customer": CUSTOMER}),
]


@pytest.mark.parametrize(("name", "record"), FIRST_RECORDS)
def test_keys_tell_the_sources_apart(name: str, record: Item) -> None:
    claims = {source.name: source.claims_keys([frozenset(record)]) for source in SOURCES.values()}
    strongest = claims.pop(name)
    assert strongest > max(claims.values())


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        *(("sendgrid_events-0001.jsonl.gz", "sendgrid"), ("Twilio_messages.csv", "twilio")),
        *(("segment_events.jsonl", "segment"), ("fcm_delivery.jsonl", "fcm"), ("whatsapp.json", "whatsapp")),
        *(("shopify_orders.json", "shopify"), ("mailgun_events.json", "mailgun"), ("postmark.jsonl", "postmark")),
        *(("ses_events.jsonl", "ses"), ("amazon_ses-2026.json.gz", "ses")),
    ],
)
def test_file_names_tell_the_sources_apart(file_name: str, name: str) -> None:
    assert [source.name for source in READY if source.claims_name(file_name)] == [name]


# --- payloads that nobody here wrote ------------------------------------------------------------------------


def provider_items(source: str) -> list[Any]:
    if not PROVIDERS.exists():
        pytest.skip("the providers' payloads are not on this machine")
    match source:
        case "segment":
            text = (PROVIDERS / "tracking_events.jsonl").read_text()
            return [json.loads(line) for line in text.splitlines()]
        case "whatsapp":
            files = json.loads((PROVIDERS / "whatsapp_webhooks.json").read_text())
            return [found for bodies in files.values() for found in bodies.values()]
        case "shopify":
            documents = json.loads((PROVIDERS / "shopify.json").read_text()).values()
            return [item for document in documents for item in opened("shopify", document)]
        case _:
            text = (PROVIDERS / "email_webhook_requests.jsonl").read_text()
            requests = [json.loads(line) for line in text.splitlines()]
            return [
                event
                for request in requests
                if request["provider"].removeprefix("amazon_") == source
                and request["content_type"].startswith(("application/json", "text/plain"))
                for event in opened(source, json.loads(request["body"]))
            ]


def opened(source: str, document: Any) -> list[Any]:
    """The items of a document: a list's elements, or those of a list that it wraps."""
    if isinstance(document, list):
        return document
    wrapped = [document[key] for key in SOURCES[source].lists if isinstance(document.get(key), list)]
    return wrapped[0] if wrapped else [document]


@pytest.mark.parametrize(
    ("source", "item_count", "refused"),
    [
        ("sendgrid", 13, {}),
        ("segment", 778, {"unknown_event": 24, "no_identifier": 20, "bad_time": 8}),
        ("shopify", 6, {}),
        ("whatsapp", 53, {"unsupported": 23}),
        # Without a recipient, a time or a record type: requests that are about their credentials.
        ("mailgun", 12, {"no_identifier": 7}),
        ("postmark", 11, {"unknown_event": 7, "no_identifier": 1}),
        # Mail that was received, each for two; confirmations and empty notifications.
        ("ses", 13, {"unknown_event": 11}),
    ],
)
def test_foreign_payloads(source: str, item_count: int, refused: dict[str, int]) -> None:
    items = provider_items(source)
    rows = mapped(source, *items)
    assert len(items) == item_count
    assert {row["line_number"] for row in rows} == set(range(1, item_count + 1))
    assert all(map(has_an_outcome, rows))
    reasons = [row["refused"] for row in rows if row["refused"]]
    assert {reason: reasons.count(reason) for reason in set(reasons)} == refused


# --- the shipped sample -------------------------------------------------------------------------------------


def sample_items(path: Path) -> Iterator[Any]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    if ".csv" in path.name:
        yield from pl.read_csv(text.encode(), infer_schema=False, truncate_ragged_lines=True).to_dicts()
    elif ".jsonl" in path.name:
        for line in text.splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            yield from found if isinstance(found, list) else [found]
    else:
        yield from opened(path.name.split("_")[0], json.loads(text))


def sample_files() -> list[Path]:
    known = (".csv", ".json", ".jsonl.gz", ".jsonl")
    return [path for path in sorted(SAMPLE.glob("*-0001*")) if path.name.endswith(known)]


@pytest.mark.parametrize("path", sample_files(), ids=lambda path: path.name)
def test_every_line_of_the_sample_has_an_outcome(path: Path) -> None:
    mappings = [load_mapping(file) for file in SAMPLE.glob("*.mapping.yaml")]
    selects = [select_for(mapping) for mapping in mappings if path.match(mapping.files)]
    select = selects[0] if selects else SOURCES[path.name.split("_")[0]].select
    items = list(sample_items(path))
    rows = map_items(select, items)
    assert {row["line_number"] for row in rows} == set(range(1, len(items) + 1))
    assert all(map(has_an_outcome, rows))
    assert sum(row["refused"] is not None for row in rows) <= max(5, len(items) // 100)
