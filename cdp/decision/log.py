"""Decisions: made from facts, logged with them, and answered again from the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from cdp.consent import contact_point_id
from cdp.decision import Decision, Facts, Planned, Question, decide
from cdp.decision.facts import Asked, Meant, gather, who_is_meant
from cdp.decision.policy import Policy
from cdp.decision.tables import decisions, policies
from cdp.errors import NotFound
from cdp.store.columns import UtcTime
from cdp.store.engine import Store
from cdp.store.prepared import Prepared

_INSERT = Prepared(decisions.insert())

_KEEP_POLICY = sa.text(
    "insert into policies (policy_hash, version, document, first_used_at) "
    "values (:policy_hash, :version, :document, :first_used_at) on conflict (policy_hash) do nothing"
).bindparams(sa.bindparam("first_used_at", type_=UtcTime))

# Locks last until the commit; taken in one order, so that nobody waits in a circle.
_TAKE_TURNS = sa.text(
    "select pg_advisory_xact_lock(key) from (select distinct hashtextextended(profile_id, 0) as key "
    "from unnest(:profile_ids) as profile_id order by key) as keys"
).bindparams(sa.bindparam("profile_ids", type_=sa.ARRAY(sa.Text)))


@dataclass(frozen=True)
class Request:
    """What is logged of a question: whom it named, a profile's id or the ids of contact points, and what it asked."""

    about: tuple[str, ...]
    question: Question


@dataclass(frozen=True)
class Replay:
    """A logged decision and the same question answered again, from the same facts under the same policy.

    Neither holds an address: none is logged.
    """

    logged: Decision
    again: Decision


@dataclass(frozen=True)
class _Made:
    """A decision with what it was made from."""

    asked: Asked
    facts: Facts
    decision: Decision


_REQUEST = TypeAdapter(Request)
_FACTS = TypeAdapter(Facts)
_DECISION = TypeAdapter(Decision)

# An address stands in `contact_points` alone, where it can be erased.
_ADDRESS_VALUES = {"addresses": {"__all__": {"value"}}}


def keep_policy(store: Store, policy: Policy, now: datetime) -> None:
    """Keep what a policy says, so that decisions under it can be answered again when its file has changed."""
    kept = {"policy_hash": policy.digest, "version": policy.version, "document": policy.document}
    with store.write() as connection:
        connection.execute(_KEEP_POLICY, {**kept, "first_used_at": now})


def decide_and_log(
    store: Store, asked: Sequence[Asked], policy: Policy, now: datetime, *, waits: bool = True
) -> list[Decision]:
    """Decide for each question, in order, counting the ones before it, and log it for good: who told a sender can tell
    an auditor.

    It is one transaction, and who decides about the same people takes turns, so caps hold. Everything that was
    committed before the call counts.

    Args:
        policy: kept before with `keep_policy`.
        now: UTC, read before the call.
        waits: as of `Store.write`.

    Raises:
        Busy: somebody else is writing, and the caller did not want to wait.
        Unavailable: the store is locked or out of reach; nothing was decided.
    """
    with store.write(waits=waits) as connection:
        meant = who_is_meant(connection, asked)
        _take_turns(connection, meant)
        made = list(_in_turn(asked, gather(connection, meant, now), policy, now))
        _INSERT.write(connection, [_row(one, policy) for one in made])
    return [one.decision for one in made]


def _take_turns(connection: sa.Connection, meant: Sequence[Meant]) -> None:
    """Wait for those who decide about the same people. SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        ids = [one.person.profile_id for one in meant if one.person]
        connection.execute(_TAKE_TURNS, {"profile_ids": ids})


def _in_turn(asked: Sequence[Asked], facts: Sequence[Facts], policy: Policy, now: datetime) -> Iterator[_Made]:
    added: dict[str, tuple[Planned, ...]] = {}
    for one, found in zip(asked, facts, strict=True):
        whom = found.profile_id or ""
        known = replace(found, planned=(*found.planned, *added[whom])) if whom in added else found
        decision = decide(one.question, known, policy, now)
        if decision.channel and decision.send_at:
            planned = Planned(decision.decision_id, decision.channel, one.question.purpose, decision.send_at)
            added[whom] = (*added.get(whom, ()), planned)
        yield _Made(one, known, decision)


def _row(one: _Made, policy: Policy) -> dict[str, Any]:
    decision, facts = one.decision, one.facts
    return {
        "decision_id": decision.decision_id,
        "client_id": one.asked.client_id,
        "policy_hash": policy.digest,
        "profile_id": facts.profile_id,
        "decided_at": decision.as_of,
        "purpose": one.asked.question.purpose,
        "channel": decision.channel,
        "send_at": decision.send_at,
        "policy_version": decision.policy_version,
        "request": _text(_REQUEST, Request(_about(one.asked), one.asked.question)),
        "facts": _text(_FACTS, facts, exclude=_ADDRESS_VALUES),
        "answer": _text(_DECISION, replace(decision, address=None)),
    }


def _about(asked: Asked) -> tuple[str, ...]:
    return (asked.profile_id,) if asked.profile_id else tuple(contact_point_id(*one) for one in asked.identifiers)


def _text(adapter: TypeAdapter[Any], value: object, exclude: Any = None) -> str:
    return adapter.dump_json(value, exclude_defaults=True, exclude=exclude).decode()


def replay(connection: sa.Connection, decision_id: str) -> Replay:
    """Answer a logged question again.

    Raises:
        NotFound: there is no such decision.
    """
    query = sa.select(decisions, policies.c.document).join(policies, policies.c.policy_hash == decisions.c.policy_hash)
    row = connection.execute(query.where(decisions.c.decision_id == decision_id)).first()
    if row is None:
        raise NotFound("there is no decision with this id", hint="An id looks like dec_ and 26 characters")
    question = _REQUEST.validate_json(row.request).question
    policy = Policy.model_validate_json(row.document)
    again = decide(question, _FACTS.validate_json(row.facts), policy, row.decided_at)
    return Replay(_DECISION.validate_json(row.answer), again)
