"""Decisions that are asked for once, however often the request comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from cdp.decision.facts import Asked
from cdp.decision.log import decide_and_log, logged
from cdp.decision.model import Decision
from cdp.decision.policy import Policy
from cdp.idempotency import Earlier, KeyReused, Once, earlier_of, keep
from cdp.store import Connection


@dataclass(frozen=True)
class Call:
    """The questions of one request, and how it is known again if its client repeats it."""

    asked: Sequence[Asked]
    once: Once | None = None


@dataclass(frozen=True)
class Answers:
    """The decisions on a call's questions, in order. is_repeat: they were made for an earlier, equal request."""

    decisions: Sequence[Decision]
    is_repeat: bool = False


def answer_calls(
    connection: Connection, calls: Sequence[Call], policy: Policy, now: datetime
) -> list[Answers | KeyReused]:
    """Decide the calls in order, within a write transaction; those that were made before get their first answer."""
    earlier = dict(earlier_of(connection, [call.once for call in calls if call.once]))
    new = list(_new(calls, set(earlier)))
    decided = iter(decide_and_log(connection, [one for call in new for one in call.asked], policy, now))
    made = {id(call): list(islice(decided, len(call.asked))) for call in new}
    results = {call.once: [one.decision_id for one in made[id(call)]] for call in new if call.once}
    keep(connection, results, now)
    earlier |= {once.name: Earlier(once.request_hash, ids) for once, ids in results.items()}
    return [Answers(made[id(call)]) if id(call) in made else _repeated(connection, call, earlier) for call in calls]


def _new(calls: Sequence[Call], known: set[tuple[str, str]]) -> Iterator[Call]:
    for call in calls:
        if call.once is None:
            yield call
        elif call.once.name not in known:
            known.add(call.once.name)
            yield call


def _repeated(connection: Connection, call: Call, earlier: Mapping[tuple[str, str], Earlier]) -> Answers | KeyReused:
    assert call.once
    try:
        ids = earlier[call.once.name].same(call.once)
    except KeyReused as error:
        return error
    return Answers([one.decision for one in logged(connection, ids)], is_repeat=True)
