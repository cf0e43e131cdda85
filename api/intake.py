"""Where tracking requests wait for the store: not too many at a time, and those that wait share a transaction.

To take in one event costs almost as much as a hundred: statements to plan, a transaction to make durable. So whoever's
turn it is takes in what has come together by then (group commit).
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
# In bytes or characters: what can be stored within some seconds, which is as long as SDKs wait for an answer.
MAX_WAITING_SIZE = 32 * 1024 * 1024

Result = TypeVar("Result")


class Overloaded(ApiError):
    """More comes in than can be stored."""

    http_status = 429
    code = "overloaded"

    def __init__(self) -> None:
        super().__init__("More comes in than can be stored; send it again later", headers={"Retry-After": "2"})


@dataclass(eq=False)
class _Request:
    source: str
    items: Sequence[LiveItem]
    received_at: datetime
    is_durable: bool = False
    error: Unavailable | None = None


class Intake:
    """Bounds what waits, and hands items on to a `Receiver`, those of one source together. For one event loop."""

    def __init__(self, receiver: Receiver, metrics: Metrics) -> None:
        self._receiver = receiver
        self._metrics = metrics
        self._waiting: list[_Request] = []
        self._waiting_size = 0
        self._turn = asyncio.Lock()

    async def run(self, size: int, work: Callable[[], Result]) -> Result:
        """What `work`, in a thread, makes of a body of `size` bytes.

        Raises:
            Overloaded: too much waits already.
        """
        with self._admitted(size):
            return await to_thread.run_sync(work)

    async def receive(self, source: str, items: Sequence[LiveItem], received_at: datetime) -> None:
        """Take in `items`; once this returns they are durable.

        Raises:
            Overloaded: too much waits already.
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
        """Take in `mine` and what waits with it. Should that meet a defect, each of the others leads itself."""
        group = [mine, *self._taken_with(mine)]
        items = [item for request in group for item in request.items]
        take_in = partial(self._receiver.receive, mine.source, items, mine.received_at, format=FORMAT)
        try:
            receipt = await to_thread.run_sync(take_in)
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
        taken = receipt.accepted - refused
        self._metrics.events(source, accepted=taken, duplicates=receipt.duplicates, refused=refused)
