"""Firebase Cloud Messaging's export: the mapping of its rows."""

from __future__ import annotations

import pytest

from tests.cdp.mapping import Item, Row, at, mapped, seen

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
