"""The worker: all kinds of work that the domains declare, and the runner that processes them.

A kind is declared in its domain and listed here. `cdp work` and `cdp serve` process all kinds; a run ends with the
housekeeping, for installations that use neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from cdp.access.housekeeping import OLD_REQUESTS
from cdp.idempotency.housekeeping import OLD_KEYS
from cdp.live import Receiver
from cdp.live.housekeeping import LANDED_PAYLOADS
from cdp.live.sandbox import receipts_kind
from cdp.sending.accepting import SEND
from cdp.sending.broadcasts import BROADCAST, Broadcasts, MembersOf
from cdp.sending.dispatching import Dispatcher
from cdp.sending.fallbacks import Fallbacks
from cdp.sending.health import HEALTH, health_kind
from cdp.sending.planning import FALLBACK
from cdp.sending.sandbox import RECEIPT
from cdp.sending.tools import Tools
from cdp.store import Store
from cdp.work import Clock, Kind, Runner
from cdp.work.housekeeping import FINISHED_WORK

HOUSEKEEPING: tuple[Kind, ...] = (LANDED_PAYLOADS, OLD_REQUESTS, OLD_KEYS, FINISHED_WORK)
KIND_NAMES = (SEND, FALLBACK, BROADCAST, HEALTH, RECEIPT, *(kind.name for kind in HOUSEKEEPING))

Log = structlog.typing.FilteringBoundLogger


def make_runner(store: Store, clock: Clock, log: Log, kinds: Sequence[Kind] = HOUSEKEEPING) -> Runner:
    """A runner of the kinds given, by default the housekeeping."""
    return Runner(store, kinds, clock, log)


@contextmanager
def opened_runner(
    store: Store, tools: Tools, receiver: Receiver, members_of: MembersOf, clock: Clock, log: Log
) -> Iterator[Runner]:
    """A runner of all kinds of work."""
    dispatcher = Dispatcher(tools)
    try:
        kinds = (
            dispatcher.kind(),
            Fallbacks(tools).kind(),
            Broadcasts(tools, store, members_of).kind(),
            health_kind(tools.post),
            receipts_kind(receiver),
            *HOUSEKEEPING,
        )
        yield make_runner(store, clock, log, kinds)
    finally:
        dispatcher.close()
