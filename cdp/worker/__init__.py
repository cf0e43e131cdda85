"""The worker: all kinds of work that the domains declare, and the runner that processes them.

A kind is declared in its domain and listed here. `cdp work` and `cdp serve` process all kinds; a run ends with the
housekeeping, for installations that use neither.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from cdp.access.housekeeping import OLD_REQUESTS
from cdp.idempotency.housekeeping import OLD_KEYS
from cdp.live.housekeeping import LANDED_PAYLOADS
from cdp.store import Store
from cdp.work import Clock, Kind, Runner
from cdp.work.housekeeping import FINISHED_WORK

HOUSEKEEPING: tuple[Kind, ...] = (LANDED_PAYLOADS, OLD_REQUESTS, OLD_KEYS, FINISHED_WORK)
KINDS: tuple[Kind, ...] = (*HOUSEKEEPING,)


def make_runner(
    store: Store, clock: Clock, log: structlog.typing.FilteringBoundLogger, kinds: Sequence[Kind] = KINDS
) -> Runner:
    """A runner of all kinds of work, or of those given."""
    return Runner(store, kinds, clock, log)
