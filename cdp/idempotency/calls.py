"""Calls that are done once, however often their request comes: many of them in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Generic, TypeVar

from cdp.idempotency import Earlier, KeyReused, Once, earlier_of, keep
from cdp.store import Connection

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call(Generic[Asked]):
    """What one request asks for, and how it is known again if its client repeats it."""

    asked: Sequence[Asked]
    once: Once | None = None


@dataclass(frozen=True)
class Answers(Generic[Answer]):
    """The answers to a call, in order. is_repeat: they were given to an earlier, equal request."""

    answers: Sequence[Answer]
    is_repeat: bool = False


@dataclass(frozen=True)
class Operation(Generic[Asked, Answer]):
    """How a kind of call is answered, within a write transaction.

    do: the answers, in order. recall: earlier answers by the ids that `id_of` gave them.
    """

    do: Callable[[Connection, Sequence[Asked], datetime], Sequence[Answer]]
    recall: Callable[[Connection, Sequence[str]], Sequence[Answer]]
    id_of: Callable[[Answer], str]

    def answer(
        self, connection: Connection, calls: Sequence[Call[Asked]], now: datetime
    ) -> list[Answers[Answer] | KeyReused]:
        """Answer the calls in order; those that were answered before get their first answers."""
        earlier = dict(earlier_of(connection, [call.once for call in calls if call.once]))
        new = list(_new(calls, set(earlier)))
        done = iter(self.do(connection, [one for call in new for one in call.asked], now))
        made = {id(call): list(islice(done, len(call.asked))) for call in new}
        results = {call.once: [self.id_of(one) for one in made[id(call)]] for call in new if call.once}
        keep(connection, results, now)
        earlier |= {once.name: Earlier(once.request_hash, ids) for once, ids in results.items()}
        return [
            Answers(made[id(call)]) if id(call) in made else self._repeated(connection, call, earlier) for call in calls
        ]

    def _repeated(
        self, connection: Connection, call: Call[Asked], earlier: Mapping[tuple[str, str], Earlier]
    ) -> Answers[Answer] | KeyReused:
        assert call.once
        try:
            ids = earlier[call.once.name].same(call.once)
        except KeyReused as error:
            return error
        return Answers(self.recall(connection, ids), is_repeat=True)


def _new(calls: Sequence[Call[Asked]], known: set[tuple[str, str]]) -> Iterator[Call[Asked]]:
    for call in calls:
        if call.once is None:
            yield call
        elif call.once.name not in known:
            known.add(call.once.name)
            yield call
