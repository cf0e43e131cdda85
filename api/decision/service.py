"""Where decisions are made: those that are asked for at one time together, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby, islice
from typing import NamedTuple

from api.coalesce import Coalescer
from api.decision.schemas import DecisionRequest
from api.people.identifiers import normalised_each
from cdp.decision import Decision, Question
from cdp.decision.facts import Asked
from cdp.decision.log import keep_policy, rehearse
from cdp.decision.once import Answers, Call, answer_calls
from cdp.decision.policy import Policy
from cdp.errors import Busy
from cdp.idempotency import KeyReused, Once, hash_of
from cdp.ids import sortable_id
from cdp.store import Store

# With SQLite it takes less time to decide about somebody than to hand it to a thread; a request about more people than
# these may not hold up the event loop.
FEW = 10
# So many are decided in one transaction: other writers, and in the event loop all others, wait for its end.
MANY = 50


@dataclass(frozen=True, eq=False)
class _Part:
    """What is decided of a client's request in one transaction."""

    client_id: str
    once: Once | None


class _Question(NamedTuple):
    part: _Part
    request: DecisionRequest


class _Answer(NamedTuple):
    decision: Decision
    is_repeat: bool


class DecisionService:
    """Answers requests under a policy; `clock` gives the current UTC time."""

    def __init__(self, store: Store, policy: Policy, default_region: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._policy = policy
        self._default_region = default_region
        self._clock = clock
        self._here = Coalescer(partial(self._decide, waits=False), MANY, in_thread=False)
        self._aside = Coalescer(self._decide, MANY)
        keep_policy(store, policy, clock())

    async def ask(self, client_id: str, requests: Sequence[DecisionRequest], key: str | None = None) -> Answers:
        """A decision for each request, logged for good. All that was acknowledged to anybody before the call counts.

        Args:
            key: the client's idempotency key: a repeat under the same key gets the first decisions.

        Raises:
            InputRefused: the policy does not know a purpose.
            KeyReused: the key was used for other requests.
            Unavailable: the store is locked or out of reach. Of many requests the first may be logged: they count
                against caps, though nobody was told. A repeat under the same key gets them.
        """
        self._require_purposes(requests)
        request_hash = _hash_of(requests) if key else ""
        answers: list[_Answer] = []
        for number, start in enumerate(range(0, len(requests), MANY)):
            some = requests[start : start + MANY]
            part = _Part(client_id, Once(client_id, key, request_hash, number) if key else None)
            answers += await self._answers([_Question(part, request) for request in some])
        return Answers([one.decision for one in answers], is_repeat=all(one.is_repeat for one in answers))

    def rehearse(self, requests: Sequence[DecisionRequest]) -> Sequence[Decision]:
        """The decisions that `ask` would make now. Nothing is logged, and nothing counts against caps.

        Raises:
            InputRefused, Unavailable: as by `ask`.
        """
        self._require_purposes(requests)
        now = self._clock()
        part = _Part("", None)
        with self._store.read() as connection:
            asked = self._asked([_Question(part, request) for request in requests], now)
            return rehearse(connection, asked, self._policy, now)

    def close(self) -> None:
        """Answer who is waiting still."""
        self._here.close()
        self._aside.close()

    def _require_purposes(self, requests: Sequence[DecisionRequest]) -> None:
        for request in requests:
            self._policy.require_purpose(request.purpose)

    async def _answers(self, questions: Sequence[_Question]) -> list[_Answer]:
        answers = await self._coalesced(questions)
        for answer in answers:
            if isinstance(answer, KeyReused):
                raise answer
        return [answer for answer in answers if isinstance(answer, _Answer)]

    async def _coalesced(self, questions: Sequence[_Question]) -> Sequence[_Answer | KeyReused]:
        if self._store.is_embedded and len(questions) <= FEW:
            with suppress(Busy):
                return await self._here.do(questions)
        return await self._aside.do(questions)

    def _decide(self, questions: Sequence[_Question], *, waits: bool = True) -> list[_Answer | KeyReused]:
        now = self._clock()
        asked = iter(self._asked(questions, now))
        parts = [list(found) for _, found in groupby(questions, key=lambda one: id(one.part))]
        calls = [Call(list(islice(asked, len(found))), found[0].part.once) for found in parts]
        with self._store.write(waits=waits) as connection:
            answered = answer_calls(connection, calls, self._policy, now)
        return [one for call, found in zip(calls, answered, strict=True) for one in _of_each(call, found)]

    def _asked(self, questions: Sequence[_Question], now: datetime) -> list[Asked]:
        identifiers = normalised_each([one.request.identifiers or () for one in questions], self._default_region)
        return [
            _asked(one.part.client_id, one.request, tuple(found), now)
            for one, found in zip(questions, identifiers, strict=True)
        ]


def _of_each(call: Call, found: Answers | KeyReused) -> list[_Answer | KeyReused]:
    if isinstance(found, KeyReused):
        return [found] * len(call.asked)
    return [_Answer(decision, found.is_repeat) for decision in found.decisions]


def _hash_of(requests: Sequence[DecisionRequest]) -> str:
    """The hash of all questions of a request, which each of its parts carries: part of them is another request."""
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
