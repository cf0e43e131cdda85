"""Housekeeping of idempotency keys: they are kept for a day."""

from __future__ import annotations

from datetime import timedelta

from cdp.idempotency import forget_old
from cdp.work.housekeeping import housekeeping

OLD_KEYS = housekeeping("idempotency_housekeeping", forget_old, every=timedelta(minutes=10), rows_at_once=2_000)
