"""Shopify: the mapping of its orders, customers and checkouts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.cdp.mapping import Item, Row, at, mapped, seen

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


def test_the_line_items_of_an_order_are_its_products() -> None:
    item = {"product_id": 632910392, "variant_id": 39072856, "sku": "IPOD2008GREEN", "title": "IPod Nano - 8gb",
            "variant_title": "green", "name": "IPod Nano - 8gb - green", "price": "199.00", "quantity": 1}  # fmt: skip
    ordered, refunded = mapped("shopify", {**ORDER, "line_items": [item], "refunds": [REFUND]})
    named = {"product_id": "632910392", "sku": "IPOD2008GREEN", "name": "IPod Nano - 8gb"}
    assert json.loads(ordered["products"]) == [{**named, "price": "199.00", "quantity": "1"}]
    assert refunded["products"] is None


def test_a_refund_counts_what_was_paid_back() -> None:
    ordered, refunded = mapped("shopify", {**ORDER, "refunds": [REFUND]})
    assert (ordered["event_type"], refunded["event_type"]) == ("ordered", "refunded")
    assert (refunded["amount"], refunded["event_key"]) == (Decimal("30.00"), "refund:77")


def test_a_cancelled_order_nets_to_zero() -> None:
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


TOLD = {"state": "unsubscribed", "opt_in_level": "single_opt_in", "consent_updated_at": "2026-06-30T10:00:00Z"}


@pytest.mark.parametrize(
    ("payload", "channel", "holder"),
    [
        (
            {"customer_id": 5, "email_address": "ann@example.com", "email_marketing_consent": TOLD},
            "email",
            {"customer_id": "5", "email": "ann@example.com"},
        ),
        ({"id": 5, "phone": "+33612345678", "sms_marketing_consent": TOLD}, "sms", {"phone": "+33612345678"}),
        (
            {"id": 5, "phone": "+33612345678", "sms_marketing_consent": {**TOLD, "consent_updated_at": None}},
            "sms",
            {"phone": "+33612345678"},
        ),
    ],
)
def test_the_topics_of_marketing_consent_are_read(payload: Item, channel: str, holder: Row) -> None:
    rows = mapped("shopify", payload)
    assert [row["refused"] for row in rows] == [None] * len(rows)
    [consent] = [row for row in rows if row["consent_channel"]]
    assert (consent["consent_channel"], consent["consent_state"]) == (channel, "withdrawn")
    assert seen(consent, holder) == holder
