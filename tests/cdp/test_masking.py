"""Masking: what a payload says without what it says of whom."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.live.masking import masked, masked_text

SECRETS = ("ann@example.com", "+41 79 123 45 67", "(415) 555-0100", "4155550100", "Ann Lee")
FIELDS = st.sampled_from(["type", "event", "messageId", "status", "name", "email", "to", "properties", "timestamp"])
VALUES = st.recursive(
    st.sampled_from(SECRETS[:4]) | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.sampled_from(SECRETS[:4]), inner, max_size=3)
    ),
)


@given(VALUES)
def test_no_address_and_no_number_is_shown_wherever_it_stands(value: Any) -> None:
    text = json.dumps(masked(value))
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("name", "Ann Lee", "text, 7 characters"),
        ("event", "Product Viewed", "Product Viewed"),
        ("event", "x" * 101, "text, 101 characters"),
        ("timestamp", "2026-07-01T12:00:00.123Z", "2026-07-01T12:00:00.123Z"),
        ("timestamp", 1_782_907_200, 1_782_907_200),
        ("birthday", "1990-05-17", "date"),
        ("seenAt", "2026-07-01T12:00:00Z", "time"),
        ("amount", 12.5, "number"),
        ("is_vip", True, "true or false"),
        ("nothing", None, None),
        ("empty", "", ""),
        ("tags", ["a", 1], ["text, 1 characters", "number"]),
        ("userId", "null", "null"),
        ("messageId", "order-1000123", "order-1000123"),
        ("event", "Campaign 2026-11-29", "Campaign 2026-11-29"),
        ("context", {"library": {"name": "analytics.js"}}, {"library": {"name": "analytics.js"}}),
    ],
)
def test_values_are_replaced_by_their_kinds(field: str, value: Any, shown: Any) -> None:
    assert masked({field: value}) == {field: shown}


@pytest.mark.parametrize(
    "traits",
    [
        {"status": "HIV positive", "type": "Ann Lee", "version": "Ann", "event": "Ann"},
        {"library": {"name": "Ann Lee"}, "timestamp": 4155550101, "receivedBy": {"name": "Ann"}},
    ],
)
def test_deeper_than_the_event_itself_no_value_is_shown_by_its_name(traits: dict[str, Any]) -> None:
    text = str(masked({"traits": traits, "properties": traits, "context": {"traits": traits}}))
    assert [secret for secret in ("HIV", "Ann", "4155550101") if secret in text] == []


@pytest.mark.parametrize(
    "message_id",
    [
        "ajs-next-1700000000000-8d1a2b3c-0f4e-4a5b-9c6d-7e8f9a0b1c2d",
        "8d1a2b3c-0f4e-4a5b-9c6d-123456789012",
        "12345678-1234-4123-8123-123456789012",
        "evt_01hzx3w8k2",
        "a" * 8 + "12345678" + "b" * 48,
        "SM12345678123456781234567812345678a",
        "evt_1700000000000",
    ],
)
def test_ids_that_clients_make_are_shown(message_id: str) -> None:
    assert masked_text(message_id) == message_id


@pytest.mark.parametrize(
    "event",
    [
        *("0612/345678", "06_12_34_56_78", "06·12·34·56·78", "06–12–34–56–78", "1612345678", "ann%40example.com"),
        *("ann＠example.com", "2001:db8:0:1:2:3:4:5", "203.0.113.9", "Call +33 6 12 34 56 78 back"),
    ],
)
def test_what_may_be_an_address_is_not_shown_in_a_name(event: str) -> None:
    assert event not in str(masked({"event": event, event: 1}))


def test_fields_that_look_alike_are_kept_apart() -> None:
    emails = {f"{name}@example.com": name for name in ("ann", "bob", "zoe")}
    assert list(masked(emails)) == ["e-mail address", "e-mail address (2)", "e-mail address (3)"]
    assert list(masked({"12 Main St": 1})) == ["text, 10 characters"]


def test_deep_payloads_are_cut() -> None:
    deep: Any = "ann@example.com"
    for _ in range(5_000):
        deep = [deep]
    assert "ann" not in str(masked(deep))
