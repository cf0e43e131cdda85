"""Segment's calls as Standard Webhooks: one call, a list of calls or a batch, each identified by its `messageId`.

A call without one is identified by its delivery, whose id is signed, and its place in it: the same call in another
delivery is another call.
"""

from __future__ import annotations

from typing import Any

from cdp.webhooks import Item, Request, standard
from cdp.webhooks.payloads import item, records


def _items(request: Request) -> list[Item]:
    delivery = request.header(standard.ID)
    return [
        item(record, _message_id(record) or f"{delivery}:{place}")
        for place, record in enumerate(records(request, ("batch",)), start=1)
    ]


def _message_id(record: Any) -> object:
    return record.get("messageId") if isinstance(record, dict) else None


WEBHOOK = standard.webhook(_items)
