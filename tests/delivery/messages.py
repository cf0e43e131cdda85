"""Messages on their way out, for tests of senders."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from cdp.delivery import Dispatch, Email, Push, Text

MESSAGE_ID = "msg_01J8ZB3C4D5E6F7G8H9J0KMNPQ"
HEADERS = {
    "List-Unsubscribe": "<https://cdp.example.com/u/token>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
MAIL = Dispatch(
    message_id=MESSAGE_ID,
    channel="email",
    address="ann@example.com",
    content=Email("Grüezi, Ann", "Hello Ann", "<p>Hello Ann</p>", HEADERS),
    sender="Alpine Outfitters",
    callback_url="https://cdp.example.com/webhooks/sendgrid",
    expires_at=datetime(2026, 6, 1, 12, tzinfo=UTC),
)
SMS = replace(MAIL, channel="sms", address="+41790000001", content=Text("Grüezi, Ann: your order is on its way"))
PUSH = replace(
    MAIL,
    channel="push",
    address="token-of-a-device",
    content=Push("Grüezi, Ann", "Your order is on its way", "https://shop.example.com/orders/1", {"order": "1"}),
)
