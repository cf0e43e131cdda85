"""The log of decisions: each is made from facts, logged with them, and can be replayed from the log.

A decision for a message counts against caps until its sender reports that the message was not sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from cdp.consent import contact_point_id
from cdp.decision import Claim, Decision, Facts, Planned, Question, decide
from cdp.decision.claims import keep_claims, release_claims
from cdp.decision.decide import assignments
from cdp.decision.facts import Asked, addresses_of, gather, subjects_of
from cdp.decision.policy import Policy
from cdp.decision.tables import decisions, holdouts, policies
from cdp.errors import CdpError, NotFound
from cdp.people.holding import hold_people
from cdp.people.reading import read_people
from cdp.store import Connection, Store
from cdp.store.columns import UtcTime
from cdp.store.prepared import Prepared, among

_INSERT = Prepared(decisions.insert())

_KEEP_POLICY = sa.text(
    "insert into policies (policy_hash, version, document, first_used_at) "
    "values (:policy_hash, :version, :document, :first_used_at) on conflict (policy_hash) do nothing"
).bindparams(sa.bindparam("first_used_at", type_=UtcTime))


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

    @property
    def holder(self) -> str:
        """What claims are held by: the message or, if somebody else sends it, the decision."""
        return self.asked.message_id or self.decision.decision_id

    @property
    def claim(self) -> Claim:
        """The claim of the offer that is in force."""
        offer = self.decision.offer
        assert offer
        return Claim(offer.scope, offer.terms, offer.terms_hash, offer.ends_at, self.decision.as_of, self.holder)

    def facts_after(self, policy: Policy) -> Facts:
        """The facts for the next decision about the same person."""
        decision, question, facts = self.decision, self.asked.question, self.facts
        held_out = {**facts.held_out, **assignments(question, facts, policy)}
        facts = replace(facts, held_out=held_out) if held_out != facts.held_out else facts
        if decision.channel is None or decision.send_at is None:
            return facts
        planned = Planned(decision.decision_id, decision.channel, question.purpose, decision.send_at)
        facts = replace(facts, planned=(*facts.planned, planned))
        if decision.offer is None:
            return facts
        left = [one for one in facts.claims if one.held_by not in decision.supersedes]
        return replace(facts, claims=(*left, self.claim))


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


def decide_and_log(connection: Connection, asked: Sequence[Asked], policy: Policy, now: datetime) -> list[Decision]:
    """Decide each question in order, counting the earlier ones, and log the decisions permanently, for audits.

    Within the caller's write transaction: decisions about the same people are serialised, so caps hold. Everything
    committed before it began counts.

    Args:
        policy: stored beforehand with `keep_policy`.
        now: UTC, read before the transaction began.
    """
    subjects = subjects_of(connection, asked)
    hold_people(connection, {one.person.profile_id for one in subjects if one.person})
    made = list(_decide_in_order(asked, gather(connection, subjects, now), policy, now))
    _INSERT.write(connection, [_row(one, policy) for one in made])
    _keep_promises(connection, made, policy)
    return [one.decision for one in made]


def rehearse(connection: Connection, asked: Sequence[Asked], policy: Policy, now: datetime) -> list[Decision]:
    """The decisions that `decide_and_log` would make, without logging them: nothing counts against caps."""
    facts = gather(connection, subjects_of(connection, asked), now)
    return [one.decision for one in _decide_in_order(asked, facts, policy, now)]


_KEEP_HOLDOUT = Prepared.insert_new(holdouts)


def _keep_promises(connection: Connection, made: Sequence[_Made], policy: Policy) -> None:
    """Write the claims of offers, and who is held out; withdraw the claims that gave way."""
    _KEEP_HOLDOUT.write(connection, [row for one in made for row in _holdout_rows(one, policy)])
    claimed = [one for one in made if one.decision.offer]
    if claimed:
        release_claims(connection, [holder for one in claimed for holder in one.decision.supersedes])
        keep_claims(connection, [(str(one.facts.profile_id), one.claim) for one in claimed])


def _holdout_rows(one: _Made, policy: Policy) -> Iterator[dict[str, Any]]:
    for name, is_held_out in assignments(one.asked.question, one.facts, policy).items():
        if name not in one.facts.held_out:
            since = one.decision.as_of
            yield {"profile_id": one.facts.profile_id, "name": name, "is_held_out": is_held_out, "since": since}


def _decide_in_order(asked: Sequence[Asked], facts: Sequence[Facts], policy: Policy, now: datetime) -> Iterator[_Made]:
    """The decisions, each of which counts the earlier ones about the same person."""
    before: dict[str, _Made] = {}
    for one, found in zip(asked, facts, strict=True):
        earlier = before.get(found.profile_id or "")
        known = earlier.facts_after(policy) if earlier else found
        if known.retired_id != found.retired_id:
            known = replace(known, retired_id=found.retired_id)
        made = _Made(one, known, decide(one.question, known, policy, now))
        if found.profile_id:
            before[found.profile_id] = made
        yield made


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
        "outcome": None,
        "outcome_at": None,
    }


def _about(asked: Asked) -> tuple[str, ...]:
    return (asked.profile_id,) if asked.profile_id else tuple(contact_point_id(*one) for one in asked.identifiers)


def _text(adapter: TypeAdapter[Any], value: object, exclude: Any = None) -> str:
    return adapter.dump_json(value, exclude_defaults=True, exclude=exclude).decode()


@dataclass(frozen=True)
class Logged:
    """A decision in the log, the client that asked for it, and what it has reported of the message.

    purpose, topic: of the question. outcome: `sent` or `not_sent`; None if nothing was reported.
    """

    decision: Decision
    client_id: str
    purpose: str
    topic: str | None
    outcome: str | None
    outcome_at: datetime | None


_LOGGED_COLUMNS = ("decision_id", "client_id", "profile_id", "request", "answer", "outcome", "outcome_at")
_LOGGED = Prepared(
    sa.select(*(decisions.c[name] for name in _LOGGED_COLUMNS)).where(among(decisions.c.decision_id, "ids"))
)


def logged(connection: Connection, decision_ids: Sequence[str]) -> list[Logged]:
    """The decisions with these ids, in order; an address is the person's own of now, and None if they lost it.

    Raises:
        NotFound: there is no decision with one of the ids.
    """
    rows = {row[0]: row for row in _LOGGED.rows(connection, ids=decision_ids)}
    if not rows.keys() >= set(decision_ids):
        raise NotFound("There is no decision with this id")
    people = read_people(connection, {row[2] for row in rows.values() if row[2]})
    addresses = {profile_id: addresses_of(person) for profile_id, person in people.items() if person}
    return [_logged(rows[one], addresses.get(rows[one][2], {})) for one in decision_ids]


def _logged(row: Sequence[Any], addresses: Mapping[str, str]) -> Logged:
    _, client_id, _, request, answer, outcome, outcome_at = row
    decision, question = _DECISION.validate_json(answer), _REQUEST.validate_json(request).question
    address = addresses.get(decision.contact_point_id or "")
    return Logged(replace(decision, address=address), client_id, question.purpose, question.topic, outcome, outcome_at)


class OutcomeRefused(CdpError):
    """The outcome contradicts the decision, or an earlier report."""

    http_status = 409
    code = "outcome_refused"


def report_outcome(connection: Connection, decision_id: str, client_id: str, outcome: str, now: datetime) -> Logged:
    """Record whether the message of a decision was `sent` or `not_sent`, within a write transaction.

    What was not sent no longer counts against caps. A report may be repeated.

    Raises:
        NotFound: this client was given no decision with this id.
        OutcomeRefused: there was nothing to send, or the message was reported as sent.
    """
    [found] = logged(connection, [decision_id])
    if found.client_id != client_id:
        raise NotFound("There is no decision with this id for this client")
    if not found.decision.allowed:
        raise OutcomeRefused("The decision was not to send")
    if found.outcome == outcome:
        return found
    if found.outcome == "sent":
        raise OutcomeRefused("The message was reported as sent, which cannot be taken back")
    is_it = decisions.c.decision_id == decision_id
    connection.execute(decisions.update().where(is_it).values(outcome=outcome, outcome_at=now))
    return replace(found, outcome=outcome, outcome_at=now)


def replay(connection: Connection, decision_id: str) -> Replay:
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
