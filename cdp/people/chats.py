"""The chats that a person has written in lately: they take messages for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cdp.channels import CLOSING_CHATS
from cdp.people.current import LiveLayer
from cdp.people.document import ProfileDocument

# WhatsApp: https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages#customer-service-windows.
# Messenger: https://developers.facebook.com/documentation/business-messaging/messenger-platform/policy/.
_STAY_OPEN_FOR = timedelta(hours=24)


def chats_open_until(document: ProfileDocument, live: LiveLayer, now: datetime) -> dict[str, datetime]:
    """When the chats close in which a person has written lately."""
    found: dict[str, datetime] = {}
    for channel, replied_at in _replies(document, live):
        closes_at = replied_at + _STAY_OPEN_FOR
        if closes_at > now:
            found[channel] = max(found.get(channel, closes_at), closes_at)
    return found


def _replies(document: ProfileDocument, live: LiveLayer) -> Iterator[tuple[str, datetime]]:
    """(channel, time) of what the person has written in chats that close."""
    for one in document.get("last_replies", []):
        yield one["channel"], datetime.fromisoformat(one["replied_at"])
    for event in live.human_events:
        if event.event_type == "replied" and event.channel in CLOSING_CHATS:
            yield event.channel, event.occurred_at
