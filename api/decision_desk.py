"""Where decisions are made: everybody who asks at one time is answered from one state of the store, in one commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from api.coalesce import Coalescer
from api.decision_schemas import MAX_REQUESTS, DecisionRequest
from api.identifiers import normalised_each
from cdp.decision import Decision, Question
from cdp.errors import InputRefused
from cdp.policy import Policy
from cdp.store import Store
from cdp.store.decisions import answer, keep_policy, new_decision_id
from cdp.store.facts import Asked


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
        self._coalescer = Coalescer(self._decide, MAX_REQUESTS)
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
        return await self._coalescer.do([_Request(client_id, request) for request in requests])

    def close(self) -> None:
        """Answer who is waiting still."""
        self._coalescer.close()

    def _decide(self, requests: Sequence[_Request]) -> list[Decision]:
        now = self._clock()
        identifiers = normalised_each([one.request.identifiers or () for one in requests], self._default_region)
        asked = [_asked(one.request, tuple(found), now) for one, found in zip(requests, identifiers, strict=True)]
        return answer(self._store, asked, self._policy, [one.client_id for one in requests], now)


def _asked(request: DecisionRequest, identifiers: tuple[tuple[str, str], ...], now: datetime) -> Asked:
    question = Question(
        decision_id=new_decision_id(now),
        purpose=request.purpose,
        candidates=tuple(dict.fromkeys(request.candidates)),
        topic=request.topic,
        at=request.at,
        deadline=request.deadline,
        urgency=request.urgency,
    )
    return Asked(question, request.profile_id, identifiers)
