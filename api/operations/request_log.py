"""Requests on their way into the store: gathered in memory, written in batches beside the event loop.

It never holds up or fails a request: while the store is out of reach the newest are kept, and the rest is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

import structlog
from starlette.concurrency import run_in_threadpool

from cdp.access.request_log import LoggedRequest, append_requests
from cdp.errors import CdpError
from cdp.store import Store

SECONDS_BETWEEN_WRITES = 1.0
MAX_WAITING = 50_000


class RequestLog:
    """`run` writes once a second until it is cancelled, and then what is left."""

    def __init__(self, store: Store, log: structlog.typing.FilteringBoundLogger) -> None:
        self._store = store
        self._log = log
        self._waiting: deque[LoggedRequest] = deque(maxlen=MAX_WAITING)

    def add(self, request: LoggedRequest) -> None:
        self._waiting.append(request)

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(SECONDS_BETWEEN_WRITES)
                await run_in_threadpool(self.write)
        finally:
            self.write()

    def write(self) -> None:
        """Write what waits. What cannot be written waits on, as far as there is room."""
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not batch:
            return
        try:
            with self._store.write() as connection:
                append_requests(connection, batch)
        except CdpError as error:
            self._log.warning("request log not written", code=error.code, waiting=len(batch))
            with suppress(IndexError):
                while len(self._waiting) < MAX_WAITING:
                    self._waiting.appendleft(batch.pop())
