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
        ("is_vip", True, True),
        ("nothing", None, None),
        ("empty", "", ""),
        ("tags", ["a", 1], ["text, 1 characters", "number"]),
    ],
)
def test_values_are_replaced_by_their_kinds(field: str, value: Any, shown: Any) -> None:
    assert masked({field: value}) == {field: shown}


@pytest.mark.parametrize(
    "message_id",
    [
        "ajs-next-1700000000000-8d1a2b3c-0f4e-4a5b-9c6d-7e8f9a0b1c2d",
        "8d1a2b3c-0f4e-4a5b-9c6d-123456789012",
        "12345678-1234-4123-8123-123456789012",
        "evt_01hzx3w8k2",
        "SM1700000000:delivered",
    ],
)
def test_ids_that_clients_make_are_shown(message_id: str) -> None:
    assert masked_text(message_id) == message_id


def test_deep_payloads_are_cut() -> None:
    deep: Any = "ann@example.com"
    for _ in range(5_000):
        deep = [deep]
    assert "ann" not in str(masked(deep))
