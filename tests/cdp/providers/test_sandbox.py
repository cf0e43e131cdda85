"""The sandbox: its receipts are about addresses of every kind, as their channels have them."""

from __future__ import annotations

import json

import pytest

from cdp.channels import ADDRESS_TYPES
from cdp.delivery import Refused
from cdp.sending.sandbox import script_of
from tests.cdp.mapping import mapped

ADDRESSES = {
    **{"email": "ann@example.com", "phone": "+41790000001", "device_token": "token-1"},
    **{"telegram_chat": "1111111", "messenger_psid": "1254477777772919"},
}


@pytest.mark.parametrize(("channel", "kind"), ADDRESS_TYPES.items())
def test_a_receipt_is_about_an_address_of_its_channel(channel: str, kind: str) -> None:
    told = {"id": "e1", "message_id": "msg_1", "event": "delivered", "at": "2026-07-01T12:00:00Z"}
    [row] = mapped("sandbox", {**told, "channel": channel, "address": ADDRESSES[kind]})
    known = {name: row[name] for name in ("email", "phone", "device_token")} | json.loads(row["external_ids"])
    assert {name: value for name, value in known.items() if value} == {kind: ADDRESSES[kind]}
    assert (row["refused"], row["channel"], row["message_id"]) == (None, channel, "msg_1")


@pytest.mark.parametrize(
    "address", ["refuse@simulator.example.com", "+447700900005", "447700900005", "simulator-refuse"]
)
def test_an_address_of_any_kind_can_be_a_simulators(address: str) -> None:
    assert isinstance(script_of(address).outcome, Refused)
