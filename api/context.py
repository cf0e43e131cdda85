"""What routes work with: made once by `create_app`, handed to each route that asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

from anyio import CapacityLimiter
from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from api.tokens import TokenService
from cdp.settings import Settings
from cdp.store import Connection, Store

Clock = Callable[[], datetime]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Context:
    settings: Settings
    store: Store
    tokens: TokenService
    clock: Clock
    hashing: CapacityLimiter

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """What `work` reads from the store.

        A point read of SQLite takes less time than handing it to a thread; PostgreSQL is a network away.
        """
        if self.store.is_embedded:
            return self._read(work)
        return await run_in_threadpool(self._read, work)

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        with self.store.read() as connection:
            return work(connection)


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


ContextOf = Annotated[Context, Depends(_context)]
