"""Where decisions are made: those that are asked for at one time together, from one state of the store.

They are logged together with those that are made while the log before is being written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

from api.decisions.coalesce import Coalescer
from api.decisions.schemas import MAX_REQUESTS, DecisionRequest
from api.profiles.identifiers import normalised_each
from cdp.decision import Decision, Question
from cdp.errors import InputRefused
from cdp.policy import Policy
from cdp.store import Store
from cdp.store.decisions import Draft, draft, keep_policy, log, new_decision_id
from cdp.store.facts import Asked

# With SQLite it takes less time to decide about somebody than to hand it to a thread; more than these may not hold up
# the event loop.
FEW = 10


class _Request(NamedTuple):
    client_id: str
    request: DecisionRequest


class DecisionDesk:
    """Answers requests under a policy; `clock` gives the current UTC time."""

    def __init__(self, store: Store, policy: Policy, default_region: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._policy = policy
        self._default_region = default_region
        self._clock = clock
        self._drafting = Coalescer(self._draft, MAX_REQUESTS, in_thread=not store.is_embedded)
        self._log = Coalescer[Draft, Decision](lambda drafts: log(store, drafts, policy), MAX_REQUESTS)
        keep_policy(store, policy, clock())

    async def ask(self, client_id: str, requests: Sequence[DecisionRequest]) -> Sequence[Decision]:
        """A decision for each request, logged for good. All that was acknowledged to anybody before the call counts.

        Raises:
            InputRefused: the policy does not know a purpose.
            Unavailable: the store is locked or out of reach; nothing was decided.
        """
        if any(request.purpose not in self._policy.purposes for request in requests):
            known = ", ".join(self._policy.purposes)
            raise InputRefused("purpose is none of the policy's purposes", hint=f"They are {known}")
        ours = [_Request(client_id, request) for request in requests]
        if self._store.is_embedded and len(ours) > FEW:
            drafts: Sequence[Draft] = await run_in_threadpool(self._draft, ours)
        else:
            drafts = await self._drafting.do(ours)
        return await self._log.do(drafts)

    def close(self) -> None:
        """Answer who is waiting still."""
        self._drafting.close()
        self._log.close()

    def _draft(self, requests: Sequence[_Request]) -> list[Draft]:
        now = self._clock()
        identifiers = normalised_each([one.request.identifiers or () for one in requests], self._default_region)
        asked = [_asked(*one, tuple(found), now) for one, found in zip(requests, identifiers, strict=True)]
        return draft(self._store, asked, self._policy, now)


def _asked(client_id: str, request: DecisionRequest, identifiers: tuple[tuple[str, str], ...], now: datetime) -> Asked:
    question = Question(
        decision_id=new_decision_id(now),
        purpose=request.purpose,
        candidates=tuple(dict.fromkeys(request.candidates)),
        topic=request.topic,
        at=request.at,
        deadline=request.deadline,
        urgency=request.urgency,
    )
    return Asked(question, request.profile_id, identifiers, client_id)
