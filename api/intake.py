"""A bounded queue of tracking requests in front of the store. Waiting requests share a transaction (group commit).

Storing one event costs almost as much as storing a hundred: statements are planned and a transaction is made durable.
So the request whose turn it is stores the events of all requests waiting by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from anyio import to_thread

from api.errors import ApiError
from api.operations.metrics import Metrics
from cdp.errors import Unavailable
from cdp.live import LiveItem, Receipt, Receiver

FORMAT = "segment"
# In bytes or characters: the amount that can be stored within a few seconds, before SDKs time out.
MAX_WAITING_SIZE = 32 * 1024 * 1024

Result = TypeVar("Result")


class Overloaded(ApiError):
    """Events arrive faster than they can be stored."""

    http_status = 429
    code = "overloaded"

    def __init__(self) -> None:
        super().__init__("Too many events are waiting to be stored; retry later", headers={"Retry-After": "2"})


@dataclass(eq=False)
class _Request:
    source: str
    items: Sequence[LiveItem]
    received_at: datetime
    is_durable: bool = False
    error: Unavailable | None = None


class Intake:
    """Bounds the waiting requests, and passes items to a `Receiver`, grouped by source. For one event loop."""

    def __init__(self, receiver: Receiver, metrics: Metrics) -> None:
        self._receiver = receiver
        self._metrics = metrics
        self._waiting: list[_Request] = []
        self._waiting_size = 0
        self._turn = asyncio.Lock()

    async def run(self, size: int, work: Callable[[], Result]) -> Result:
        """Run `work`, which reads a body of `size` bytes, in a thread.

        Raises:
            Overloaded: too much data is waiting.
        """
        with self._admitted(size):
            return await to_thread.run_sync(work)

    async def receive(self, source: str, items: Sequence[LiveItem], received_at: datetime) -> None:
        """Store `items`; they are durable when this returns.

        Raises:
            Overloaded: too much data is waiting.
            Unavailable: the store is locked or out of reach.
        """
        mine = _Request(source, items, received_at)
        with self._admitted(sum(len(item.payload) for item in items)):
            self._waiting.append(mine)
            async with self._turn:
                if not mine.is_durable and mine.error is None:
                    await self._lead(mine)
        if mine.error is not None:
            raise mine.error

    @contextmanager
    def _admitted(self, size: int) -> Iterator[None]:
        if self._waiting_size + size > MAX_WAITING_SIZE:
            raise Overloaded
        self._waiting_size += size
        try:
            yield
        finally:
            self._waiting_size -= size

    async def _lead(self, mine: _Request) -> None:
        """Store `mine` and the requests waiting with it. If that fails by a defect, each of the others leads itself."""
        group = [mine, *self._taken_with(mine)]
        items = [item for request in group for item in request.items]
        store_group = partial(self._receiver.receive, mine.source, items, mine.received_at, format=FORMAT)
        try:
            receipt = await to_thread.run_sync(store_group)
        except Unavailable as error:
            for request in group:
                request.error = error
            return
        for request in group:
            request.is_durable = True
        self._count(mine.source, receipt)

    def _taken_with(self, mine: _Request) -> list[_Request]:
        taken = [request for request in self._waiting if request.source == mine.source]
        self._waiting = [request for request in self._waiting if request.source != mine.source]
        return [request for request in taken if request is not mine]

    def _count(self, source: str, receipt: Receipt) -> None:
        refused = len(receipt.rejected)
        accepted = receipt.accepted - refused
        self._metrics.events(source, accepted=accepted, duplicates=receipt.duplicates, refused=refused)
