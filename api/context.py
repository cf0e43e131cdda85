"""The dependencies of the routes: made once by `create_app`, passed to each route that declares them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from api.decision.service import DecisionService
from api.intake import Intake
from api.operations.metrics import Metrics
from api.published import PublishedWarehouse
from api.security.rate_limit import RateLimit
from api.security.tokens import TokenService
from api.sending.service import MessageService
from cdp.consent.links import UnsubscribeLinks
from cdp.decision.policy import Policy
from cdp.live import Receiver
from cdp.live.verify import Verifier
from cdp.sending.tools import Tools
from cdp.settings import Settings
from cdp.store import Connection, Store

if TYPE_CHECKING:
    from api.security.issuer import ExternalIssuer

Clock = Callable[[], datetime]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Context:
    settings: Settings
    store: Store
    receiver: Receiver
    intake: Intake
    policy: Policy
    decisions: DecisionService
    tools: Tools
    messages: MessageService
    unsubscribing: UnsubscribeLinks
    webhooks: Verifier
    tokens: TokenService
    issuer: ExternalIssuer | None
    clock: Clock
    warehouse: PublishedWarehouse
    limit: RateLimit
    metrics: Metrics
    uptime: Callable[[], float] = time.monotonic

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work` in one read transaction of the store."""
        return await self.ask(lambda _store: self.read_now(work))

    def read_now(self, work: Callable[[Connection], Result]) -> Result:
        """`read`, in the thread of the caller."""
        with self.store.read() as connection:
            return work(connection)

    async def ask(self, work: Callable[[Store], Result]) -> Result:
        """The result of `work` on the store.

        A point read of SQLite is faster than a hand-over to a thread; PostgreSQL is a network call away.
        """
        if self.store.is_embedded:
            return work(self.store)
        return await run_in_threadpool(work, self.store)


def context_of(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def _context(request: Request) -> Context:
    return context_of(request)


ContextOf = Annotated[Context, Depends(_context)]
