"""Segment's calls: their mapping."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.cdp.mapping import RECEIVED, Item, Row, at, mapped, seen

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
                ("Product Removed", "web", "removed_from_cart"),
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
        # An address on a platform, which servers know and browsers do not.
        (
            {"context": {"externalIds": [{"id": "7", "type": "telegram_chat"}]}, "receivedBy": {"name": "server"}},
            {"external_ids": '{"telegram_chat":"7"}'},
        ),
        (
            {
                "context": {"externalIds": [{"id": "7", "type": "telegram_chat"}, {"id": "1", "type": "crm"}]},
                "receivedBy": {"name": "shop page", "isClaim": True},
            },
            {"external_ids": '{"crm":"1"}', "is_claim": True},
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
        # Null unsets a trait, an empty text does not.
        (
            {"type": "identify", "traits": {"city": None, "plan": None, "phone": "", "seat": ""}},
            {"city": None, "phone": None, "properties": '{"city":null,"plan":null,"seat":""}'},
        ),
        # Whatever the call names a column of the person, its properties have the name of the column.
        (
            {"type": "identify", "traits": {"address": {"country": None, "postalCode": None, "street": "1 High St"}}},
            {"country": None, "street": "1 High St", "properties": '{"postcode":null,"country":null}'},
        ),
        (
            {"type": "identify", "traits": {"address": None, "plan": "pro"}},
            {
                "properties": '{"street":null,"city":null,"region":null,"postcode":null,"country":null,"plan":"pro"}',
            },
        ),
        (
            {"type": "identify", "traits": {"birthday": None, "name": None}},
            {"properties": '{"date_of_birth":null,"first_name":null,"last_name":null}'},
        ),
        (
            {
                "type": "identify",
                "traits": {"name": None, "firstName": "Ann", "city": "York", "address": {"city": None}},
            },
            {"first_name": "Ann", "city": "York", "properties": '{"last_name":null}'},
        ),
        ({"type": "identify", "traits": {"firstName": "Ann", "first_name": "null"}}, {"properties": "{}"}),
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
def test_segment_refuses_non_objects(item: Any) -> None:
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


MUG = {"product_id": "5", "sku": "G-5", "name": "Mug", "price": 18.99, "url": "https://x.example/mug"}
PRODUCTS: tuple[tuple[str, Item, list[Item] | None], ...] = (
    # the event, its properties, the products that it is about
    ("Product Viewed", MUG, [MUG]),
    ("Product Removed", {"product_id": 7}, [{"product_id": 7}]),
    ("Order Completed", {"order_id": "1", "products": [MUG, {"sku": "G-6"}]}, [MUG, {"sku": "G-6"}]),
    ("Checkout Started", {"products": [{"product_id": "7"}]}, [{"product_id": "7"}]),
    ("Product Added", {**MUG, "products": []}, [{**MUG, "products": []}]),
    ("Product Added", {**MUG, "products": "x"}, [{**MUG, "products": "x"}]),
    ("Song Played", MUG, None),
    ("Order Refunded", {"products": [MUG]}, None),
)


@pytest.mark.parametrize(("event", "properties", "lines"), PRODUCTS)
def test_the_products_of_an_event(event: str, properties: Item, lines: list[Item] | None) -> None:
    [row] = mapped("segment", {**TRACK, "event": event, "properties": properties})
    assert (json.loads(row["products"]) if row["products"] else None) == lines
