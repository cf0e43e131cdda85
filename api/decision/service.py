"""Where decisions are made: those that are asked for at one time together, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple

from api.decision.coalesce import Coalescer
from api.decision.schemas import DecisionRequest
from api.people.identifiers import normalised_each
from cdp.decision import Decision, Question
from cdp.decision.facts import Asked
from cdp.decision.log import decide_and_log, keep_policy
from cdp.decision.policy import Policy
from cdp.errors import Busy
from cdp.ids import sortable_id
from cdp.store import Store

# With SQLite it takes less time to decide about somebody than to hand it to a thread; a request about more people than
# these may not hold up the event loop.
FEW = 10
# So many are decided in one transaction: other writers, and in the event loop all others, wait for its end.
MANY = 50


class _Request(NamedTuple):
    client_id: str
    request: DecisionRequest


class DecisionService:
    """Answers requests under a policy; `clock` gives the current UTC time."""

    def __init__(self, store: Store, policy: Policy, default_region: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._policy = policy
        self._default_region = default_region
        self._clock = clock
        self._here = Coalescer(partial(self._decide, waits=False), MANY, in_thread=False)
        self._aside = Coalescer(self._decide_in_parts, MANY)
        keep_policy(store, policy, clock())

    async def ask(self, client_id: str, requests: Sequence[DecisionRequest]) -> Sequence[Decision]:
        """A decision for each request, logged for good. All that was acknowledged to anybody before the call counts.

        Raises:
            InputRefused: the policy does not know a purpose.
            Unavailable: the store is locked or out of reach. Of many requests the first may be logged: they count
                against caps, though nobody was told.
        """
        for request in requests:
            self._policy.require_purpose(request.purpose)
        ours = [_Request(client_id, request) for request in requests]
        if self._store.is_embedded and len(ours) <= FEW:
            with suppress(Busy):
                return await self._here.do(ours)
        return await self._aside.do(ours)

    def close(self) -> None:
        """Answer who is waiting still."""
        self._here.close()
        self._aside.close()

    def _decide_in_parts(self, requests: Sequence[_Request]) -> list[Decision]:
        parts = (requests[start : start + MANY] for start in range(0, len(requests), MANY))
        return [decision for part in parts for decision in self._decide(part)]

    def _decide(self, requests: Sequence[_Request], *, waits: bool = True) -> list[Decision]:
        now = self._clock()
        identifiers = normalised_each([one.request.identifiers or () for one in requests], self._default_region)
        asked = [_asked(*one, tuple(found), now) for one, found in zip(requests, identifiers, strict=True)]
        return decide_and_log(self._store, asked, self._policy, now, waits=waits)


def _asked(client_id: str, request: DecisionRequest, identifiers: tuple[tuple[str, str], ...], now: datetime) -> Asked:
    question = Question(
        decision_id=sortable_id("dec", now),
        purpose=request.purpose,
        candidates=tuple(dict.fromkeys(request.candidates)),
        topic=request.topic,
        at=request.at,
        deadline=request.deadline,
        urgency=request.urgency,
    )
    return Asked(question, request.profile_id, identifiers, client_id)
