"""The log of decisions: each is made from facts, logged with them, and can be replayed from the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from cdp.consent import contact_point_id
from cdp.decision import Decision, Facts, Planned, Question, decide
from cdp.decision.facts import Asked, Subject, gather, subjects_of
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

# Locks last until the commit; they are taken in a fixed order to avoid deadlocks.
_LOCK_PROFILES = sa.text(
    "select pg_advisory_xact_lock(key) from (select distinct hashtextextended(profile_id, 0) as key "
    "from unnest(:profile_ids) as profile_id order by key) as keys"
).bindparams(sa.bindparam("profile_ids", type_=sa.ARRAY(sa.Text)))


@dataclass(frozen=True)
class Request:
    """The logged form of a question; `about` holds a profile id or the ids of contact points."""

    about: tuple[str, ...]
    question: Question


@dataclass(frozen=True)
class Replay:
    """A logged decision, and the answer to the same question from the same facts under the same policy.

    Neither holds an address, because none is logged.
    """

    logged: Decision
    again: Decision


@dataclass(frozen=True)
class _Made:
    """A decision with its question and facts."""

    asked: Asked
    facts: Facts
    decision: Decision


_REQUEST = TypeAdapter(Request)
_FACTS = TypeAdapter(Facts)
_DECISION = TypeAdapter(Decision)

# Addresses are stored in `contact_points` only, where they can be erased.
_ADDRESS_VALUES = {"addresses": {"__all__": {"value"}}}


def keep_policy(store: Store, policy: Policy, now: datetime) -> None:
    """Store the content of a policy, so that decisions made under it can be replayed after its file has changed."""
    kept = {"policy_hash": policy.digest, "version": policy.version, "document": policy.document}
    with store.write() as connection:
        connection.execute(_KEEP_POLICY, {**kept, "first_used_at": now})


def decide_and_log(
    store: Store, asked: Sequence[Asked], policy: Policy, now: datetime, *, waits: bool = True
) -> list[Decision]:
    """Decide each question in order, counting the earlier ones, and log the decisions permanently, for audits.

    This is one transaction, and decisions about the same people are serialised, so caps hold. Everything committed
    before the call counts.

    Args:
        policy: stored beforehand with `keep_policy`.
        now: UTC, read before the call.
        waits: see `Store.write`.

    Raises:
        Busy: another writer holds the store, and the caller did not want to wait.
        Unavailable: the store is locked or unreachable; nothing was decided.
    """
    with store.write(waits=waits) as connection:
        subjects = subjects_of(connection, asked)
        _lock_profiles(connection, subjects)
        made = list(_decide_in_order(asked, gather(connection, subjects, now), policy, now))
        _INSERT.write(connection, [_row(one, policy) for one in made])
    return [one.decision for one in made]


def _lock_profiles(connection: sa.Connection, subjects: Sequence[Subject]) -> None:
    """Wait for other decisions about the same people. SQLite has only one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        ids = [one.person.profile_id for one in subjects if one.person]
        connection.execute(_LOCK_PROFILES, {"profile_ids": ids})


def _decide_in_order(asked: Sequence[Asked], facts: Sequence[Facts], policy: Policy, now: datetime) -> Iterator[_Made]:
    added: dict[str, tuple[Planned, ...]] = {}
    for one, found in zip(asked, facts, strict=True):
        profile_id = found.profile_id or ""
        known = replace(found, planned=(*found.planned, *added[profile_id])) if profile_id in added else found
        decision = decide(one.question, known, policy, now)
        if decision.channel and decision.send_at:
            planned = Planned(decision.decision_id, decision.channel, one.question.purpose, decision.send_at)
            added[profile_id] = (*added.get(profile_id, ()), planned)
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
        NotFound: no decision has this id.
    """
    query = sa.select(decisions, policies.c.document).join(policies, policies.c.policy_hash == decisions.c.policy_hash)
    row = connection.execute(query.where(decisions.c.decision_id == decision_id)).first()
    if row is None:
        raise NotFound("no decision has this id", hint="An id is dec_ followed by 26 characters")
    question = _REQUEST.validate_json(row.request).question
    policy = Policy.model_validate_json(row.document)
    again = decide(question, _FACTS.validate_json(row.facts), policy, row.decided_at)
    return Replay(_DECISION.validate_json(row.answer), again)
