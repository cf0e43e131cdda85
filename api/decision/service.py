"""Where decisions are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from api.decision.schemas import DecisionRequest
from api.once import OnceService
from api.people.identifiers import normalised_each
from cdp.decision import Decision, Question
from cdp.decision.facts import Asked
from cdp.decision.log import decide_and_log, logged, rehearse
from cdp.decision.policy import Policy
from cdp.idempotency import hash_of
from cdp.idempotency.calls import Answers, Operation
from cdp.ids import sortable_id
from cdp.store import Connection, Store


class DecisionService:
    """Answers requests under a policy; `clock` gives the current UTC time."""

    def __init__(self, store: Store, policy: Policy, default_region: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._policy = policy
        self._default_region = default_region
        self._clock = clock
        operation = Operation[Asked, Decision](self._decide, _recall, lambda decision: decision.decision_id)
        self._once = OnceService[DecisionRequest, Asked, Decision](store, clock, self._asked, operation)

    async def ask(
        self, client_id: str, requests: Sequence[DecisionRequest], key: str | None = None
    ) -> Answers[Decision]:
        """A decision for each request, logged for good: see `OnceService.ask`.

        Raises:
            InputRefused: the policy does not know a purpose.
            KeyReused, Unavailable: as by `OnceService.ask`.
        """
        self._require_purposes(requests)
        return await self._once.ask(client_id, requests, key, _hash_of(requests) if key else "")

    def rehearse(self, requests: Sequence[DecisionRequest]) -> Sequence[Decision]:
        """The decisions that `ask` would make now. Nothing is logged, and nothing counts against caps.

        Raises:
            InputRefused, Unavailable: as by `ask`.
        """
        self._require_purposes(requests)
        now = self._clock()
        with self._store.read() as connection:
            return rehearse(connection, self._asked([("", one) for one in requests], now), self._policy, now)

    def close(self) -> None:
        """Answer who is waiting still."""
        self._once.close()

    def _require_purposes(self, requests: Sequence[DecisionRequest]) -> None:
        for request in requests:
            self._policy.require_purpose(request.purpose)

    def _decide(self, connection: Connection, asked: Sequence[Asked], now: datetime) -> Sequence[Decision]:
        return decide_and_log(connection, asked, self._policy, now)

    def _asked(self, requests: Sequence[tuple[str, DecisionRequest]], now: datetime) -> list[Asked]:
        identifiers = normalised_each([one.identifiers or () for _, one in requests], self._default_region)
        return [
            _asked(client_id, one, tuple(found), now)
            for (client_id, one), found in zip(requests, identifiers, strict=True)
        ]


def _recall(connection: Connection, decision_ids: Sequence[str]) -> Sequence[Decision]:
    return [one.decision for one in logged(connection, decision_ids)]


def _hash_of(requests: Sequence[DecisionRequest]) -> str:
    return hash_of("decide", "\n".join(request.model_dump_json() for request in requests))


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
