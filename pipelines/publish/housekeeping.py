"""The store's housekeeping at the end of a run, for installations without a worker."""

from __future__ import annotations

from datetime import datetime

import structlog

from cdp.errors import Unavailable
from cdp.store import Store
from cdp.worker import HOUSEKEEPING, make_runner

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def keep_house(store: Store, now: datetime) -> None:
    """Do the housekeeping that is due.

    The run is already published: failed housekeeping is left to a worker or the next run.
    """
    try:
        make_runner(store, lambda: now, _log, HOUSEKEEPING).drain()
    except Unavailable as error:
        _log.warning("housekeeping postponed", error=error.line())
