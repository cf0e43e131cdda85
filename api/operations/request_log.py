"""The request log: requests are buffered in memory and written to the store in batches, off the event loop.

It never delays or fails a request: while the store is unavailable, the newest requests are kept and the rest are lost.
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
    """A buffer of requests. `run` writes it once a second until it is cancelled, and then a last time."""

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
        """Write the buffer. If the store fails, put the requests back as far as there is room."""
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
