"""What arrives over HTTP, on its way into the store: bounded, and in small transactions that waiting requests share.

Storing one event costs almost as much as storing a hundred, so what comes in while a transaction is at work shares the
next one. Storing thousands takes seconds in which nobody else could write, so they are stored in parts, between which
others have their turn. A request that was cut off has stored its first parts; sent again, they are duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from typing import NamedTuple, TypeVar

from anyio import to_thread

from api.coalesce import Coalescer
from api.errors import ApiError
from api.memory import release_memory
from api.operations.metrics import Metrics
from cdp.live import MOST_AT_ONCE, LiveItem, Outcome, Receipt, Receiver

# What waits in memory: four of the largest webhooks that providers send, about a minute's work. Who gets no answer by
# then sends it again, which does no harm.
MAX_WAITING_BYTES = 32 * 1024 * 1024
MAX_WAITING_ITEMS = 100_000
# A body of this size takes less time to read than to hand to a thread.
_SMALL_BODY_BYTES = 32 * 1024

# After so many items, what they needed is worth returning to the system.
_MANY_ITEMS = 10_000

Result = TypeVar("Result")


class Overloaded(ApiError):
    """Events arrive faster than they can be stored."""

    http_status = 429
    code = "overloaded"

    def __init__(self) -> None:
        super().__init__("Too many events are waiting to be stored; retry later", headers={"Retry-After": "2"})


class _Arrival(NamedTuple):
    source: str
    format: str
    item: LiveItem
    received_at: datetime

    @property
    def kind(self) -> tuple[str, str]:
        return self.source, self.format


class Intake:
    """Bounds what waits, and passes it to a `Receiver`."""

    def __init__(self, receiver: Receiver, metrics: Metrics) -> None:
        self._receiver = receiver
        self._metrics = metrics
        self._waiting_bytes = 0
        self._waiting_items = 0
        self._stored_items = 0
        self._stored = Coalescer(self._store, MOST_AT_ONCE)

    async def read(self, byte_count: int, work: Callable[[], Result], *, is_compressed: bool = False) -> Result:
        """Run `work`, which reads a body of this size: where it is small, without the detour of a thread.

        A compressed body may be a thousand times as large inside.

        Raises:
            Overloaded: too much data is waiting.
        """
        if byte_count <= _SMALL_BODY_BYTES and not is_compressed:
            return work()
        return await self.run(byte_count, work)

    async def run(self, byte_count: int, work: Callable[[], Result]) -> Result:
        """Run `work` on a body of this size in a thread.

        Raises:
            Overloaded: too much data is waiting.
        """
        with self._admitted(byte_count, 0):
            return await to_thread.run_sync(work)

    async def receive(
        self, source: str, items: Sequence[LiveItem], received_at: datetime, *, format: str = "segment"
    ) -> Receipt:
        """Store `items`; they are durable when this returns.

        Raises:
            Overloaded: too much data is waiting.
            Unavailable: the store is locked or out of reach. The first parts of many items may be stored.
        """
        outcomes: list[Outcome] = []
        with self._admitted(sum(len(item.payload) for item in items), len(items)):
            for start in range(0, len(items), MOST_AT_ONCE):
                part = items[start : start + MOST_AT_ONCE]
                outcomes += await self._stored.do([_Arrival(source, format, item, received_at) for item in part])
        self._stored_items += len(items)
        if self._stored_items >= _MANY_ITEMS:
            self._stored_items = 0
            await to_thread.run_sync(release_memory)
        receipt = Receipt(outcomes)
        refused = len(receipt.rejected)
        accepted = receipt.accepted - refused
        self._metrics.events(source, accepted=accepted, duplicates=receipt.duplicates, refused=refused)
        return receipt

    def close(self) -> None:
        """Store what is waiting."""
        self._stored.close()

    @contextmanager
    def _admitted(self, byte_count: int, item_count: int) -> Iterator[None]:
        bytes_then, items_then = self._waiting_bytes + byte_count, self._waiting_items + item_count
        if bytes_then > MAX_WAITING_BYTES or items_then > MAX_WAITING_ITEMS:
            raise Overloaded
        self._waiting_bytes, self._waiting_items = bytes_then, items_then
        try:
            yield
        finally:
            self._waiting_bytes -= byte_count
            self._waiting_items -= item_count

    def _store(self, arrivals: Sequence[_Arrival]) -> Sequence[Outcome]:
        """Store arrivals of any sources, a transaction for each source."""
        places = sorted(range(len(arrivals)), key=lambda place: arrivals[place].kind)
        outcomes: dict[int, Outcome] = {}
        for (source, format), found in groupby(places, key=lambda place: arrivals[place].kind):
            ours = list(found)
            items, received_at = [arrivals[place].item for place in ours], arrivals[ours[0]].received_at
            receipt = self._receiver.receive(source, items, received_at, format=format)
            outcomes |= dict(zip(ours, receipt.outcomes, strict=True))
        return [outcomes[place] for place in range(len(arrivals))]
