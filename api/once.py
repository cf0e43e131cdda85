"""Requests that record something, answered once: those of one time together in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby, islice
from typing import Generic, NamedTuple, TypeVar

from api.coalesce import Coalescer
from cdp.errors import Busy
from cdp.idempotency import KeyReused, Once
from cdp.idempotency.calls import Answers, Call, Operation
from cdp.store import Store

# With SQLite it takes less time to answer a question than to hand it to a thread; a request with more of them may not
# hold up the event loop.
FEW = 10
# So many are answered in one transaction: other writers, and in the event loop all others, wait for its end.
MANY = 50

Request = TypeVar("Request")
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class _Part:
    """What is answered of a client's request in one transaction."""

    client_id: str
    once: Once | None


class _Question(NamedTuple):
    part: _Part
    request: object


class _Answer(NamedTuple):
    answer: object
    is_repeat: bool


class OnceService(Generic[Request, Asked, Answer]):
    """Answers requests; `clock` gives the current UTC time.

    Args:
        asked: what requests ask for, given as (client, request), at a time; in their order.
        operation: how it is answered.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        asked: Callable[[Sequence[tuple[str, Request]], datetime], Sequence[Asked]],
        operation: Operation[Asked, Answer],
    ) -> None:
        self._store = store
        self._clock = clock
        self._asked = asked
        self._operation = operation
        self._here = Coalescer(partial(self._answer, waits=False), MANY, in_thread=False)
        self._aside = Coalescer(self._answer, MANY)

    async def ask(
        self, client_id: str, requests: Sequence[Request], key: str | None = None, request_hash: str = ""
    ) -> Answers[Answer]:
        """An answer to each request, recorded for good. All that was acknowledged to anybody before the call counts.

        Args:
            key: the client's idempotency key: a repeat under the same key gets the first answers.
            request_hash: of all the requests, which each part carries: some of them are another request.

        Raises:
            KeyReused: the key was used for other requests.
            Unavailable: the store is locked or out of reach. Of many requests the first may be recorded, though nobody
                was told. A repeat under the same key gets them.
        """
        answers: list[_Answer] = []
        for number, start in enumerate(range(0, len(requests), MANY)):
            part = _Part(client_id, Once(client_id, key, request_hash, number) if key else None)
            answers += await self._answers([_Question(part, one) for one in requests[start : start + MANY]])
        made: list[Answer] = [one.answer for one in answers]  # type: ignore[misc]
        return Answers(made, is_repeat=all(one.is_repeat for one in answers))

    def close(self) -> None:
        """Answer who is waiting still."""
        self._here.close()
        self._aside.close()

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

    def _answer(self, questions: Sequence[_Question], *, waits: bool = True) -> list[_Answer | KeyReused]:
        now = self._clock()
        asked = iter(self._asked([(one.part.client_id, one.request) for one in questions], now))  # type: ignore[misc]
        parts = [list(found) for _, found in groupby(questions, key=lambda one: id(one.part))]
        calls = [Call(list(islice(asked, len(found))), found[0].part.once) for found in parts]
        with self._store.write(waits=waits) as connection:
            answered = self._operation.answer(connection, calls, now)
        return [one for call, found in zip(calls, answered, strict=True) for one in _of_each(call, found)]


def _of_each(call: Call[Asked], found: Answers[Answer] | KeyReused) -> list[_Answer | KeyReused]:
    if isinstance(found, KeyReused):
        return [found] * len(call.asked)
    return [_Answer(answer, found.is_repeat) for answer in found.answers]
