"""Housekeeping of the request log: only the newest requests are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from cdp.access.request_log import forget_oldest
from cdp.store import Connection
from cdp.work.housekeeping import housekeeping

REQUESTS_KEPT = 1_000_000


def _forget_oldest(connection: Connection, _now: datetime, most: int) -> int:
    return forget_oldest(connection, REQUESTS_KEPT, most)


OLD_REQUESTS = housekeeping("request_log_housekeeping", _forget_oldest, every=timedelta(minutes=1), rows_at_once=2_000)
