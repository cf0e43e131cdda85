"""Housekeeping of the inbox: landed payloads are deleted after some time."""

from __future__ import annotations

from datetime import datetime, timedelta

from cdp.live.inbox import forget_landed
from cdp.store import Connection
from cdp.work.housekeeping import housekeeping

# A later redelivery is still recognised by its event id, when it is conformed.
DAYS_LANDED_KEPT = 30


def _forget_landed(connection: Connection, now: datetime, most: int) -> int:
    return forget_landed(connection, now - timedelta(days=DAYS_LANDED_KEPT), most)


LANDED_PAYLOADS = housekeeping("inbox_housekeeping", _forget_landed, every=timedelta(hours=1), rows_at_once=200)
