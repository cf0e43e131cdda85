"""From a client's consent statement to ledger entries: which contact points the statement applies to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cdp.channels import ADDRESS_TYPES
from cdp.consent import OPT_OUTS, ContactPoint, Entry, Statement
from cdp.consent.ledger import (
    contact_points_of,
    find_contact_point,
    holders_of,
    keep_contact_points,
    record,
    recorded_entries,
)
from cdp.errors import InputRefused, NotFound
from cdp.idempotency import Once, do_once
from cdp.people.identifiers import STRENGTH
from cdp.people.reading import find_person
from cdp.store import Connection

# Tolerance for clients' clocks.
CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True)
class NewStatement:
    """A client's statement, before its contact points are resolved.

    They are named by one of `contact_point_id`, `profile_id` and `identifiers` (normalised (type, value) pairs).
    occurred_at: defaults to the time of the request.
    evidence: the proof, free of addresses.
    """

    channel: str
    purpose: str
    topic: str | None
    state: str
    scope: str
    basis: str | None = None
    occurred_at: datetime | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    contact_point_id: str | None = None
    profile_id: str | None = None
    identifiers: Sequence[tuple[str, str]] = ()

    @property
    def is_opt_out(self) -> bool:
        return self.state in OPT_OUTS


@dataclass(frozen=True)
class Stated:
    """The entries of a statement, its own first. is_repeat: an earlier, equal request recorded them."""

    entries: Sequence[Entry]
    is_repeat: bool = False


def state_once(connection: Connection, asked: NewStatement, client_id: str, now: datetime, once: Once | None) -> Stated:
    """Record a client's statement as `state_consent` does; a repeat of a request gets the entries of the first.

    Raises:
        KeyReused: the client used the key for another request.
        InputRefused, NotFound: as by `state_consent`.
    """
    entries, is_repeat = do_once(
        connection,
        once,
        now,
        do=lambda: state_consent(connection, asked, client_id, now),
        recall=partial(recorded_entries, connection),
        ids_of=lambda made: [entry.entry_id for entry in made],
    )
    return Stated(entries, is_repeat)


def state_consent(connection: Connection, asked: NewStatement, client_id: str, now: datetime) -> list[Entry]:
    """Record a client's statement as `statements_of` says, within a write transaction.

    Raises:
        InputRefused, NotFound: as by `statements_of`.
    """
    statements = statements_of(connection, asked, client_id, now)
    keep_contact_points(connection, [point for point, _ in statements])
    return record(connection, [statement for _, statement in statements], now)


def statements_of(
    connection: Connection, asked: NewStatement, client_id: str, now: datetime
) -> list[tuple[ContactPoint, Statement]]:
    """What a client's statement states of each contact point that it applies to, its own first. Nothing is recorded.

    An opt-out from everything is recorded for every contact point that the person currently has, so that none loses it
    if the profile is split later.

    Raises:
        InputRefused: it is ambiguous which contact point a grant belongs to, or its time lies in the future.
        NotFound: the id is unknown.
    """
    occurred_at = _occurred_at(asked, now)
    named = _named(connection, asked, [ContactPoint(*pair) for pair in asked.identifiers])
    points = reached_by(connection, named, asked.scope) if asked.is_opt_out else named
    return [(point, _statement(asked, point, client_id, occurred_at)) for point in points]


def _statement(asked: NewStatement, point: ContactPoint, client_id: str, occurred_at: datetime) -> Statement:
    return Statement(
        contact_point_id=point.id,
        contact_point_type=point.type,
        channel=asked.channel,
        purpose=asked.purpose,
        topic=asked.topic,
        state=asked.state,
        scope=asked.scope,
        basis=asked.basis,
        occurred_at=occurred_at,
        source="api",
        actor=client_id,
        evidence=asked.evidence,
    )


def reached_by(connection: Connection, named: Sequence[ContactPoint], scope: str) -> list[ContactPoint]:
    """The contact points an opt-out is recorded for: those named and, if it is from everything, all of the person's."""
    if scope != "all":
        return list(named)
    holders = {holder for point in named for holder in holders_of(connection, point)}
    # An address shared by several profiles does not make them one person.
    others = contact_points_of(connection, holders.pop()) if len(holders) == 1 else []
    addresses = [point for point in others if point.type in ADDRESS_TYPES.values()]
    return list(dict.fromkeys([*named, *addresses]))


def _occurred_at(asked: NewStatement, now: datetime) -> datetime:
    if asked.occurred_at is None:
        return now
    if asked.occurred_at > now + CLOCK_SKEW:
        raise InputRefused("occurred_at is in the future")
    # In force from now on, even for a query in the same instant.
    return min(asked.occurred_at, now)


def _named(connection: Connection, asked: NewStatement, given: Sequence[ContactPoint]) -> list[ContactPoint]:
    if asked.contact_point_id:
        point = find_contact_point(connection, asked.contact_point_id)
        if point is None:
            raise NotFound("No contact point has this id")
        return [point]
    kind = ADDRESS_TYPES.get(asked.channel)
    own = [point for point in given if point.type == kind]
    return _applicable(asked, own or _points_of_person(connection, asked, given), kind)


def _points_of_person(connection: Connection, asked: NewStatement, given: Sequence[ContactPoint]) -> list[ContactPoint]:
    """The contact points of the person whom the statement names."""
    if asked.profile_id:
        person = find_person(connection, asked.profile_id)
        profile_ids = [person.profile_id if person else asked.profile_id]
    else:
        profile_ids = next((found for point in given if (found := holders_of(connection, point))), [])
    points = [point for profile_id in profile_ids for point in contact_points_of(connection, profile_id)]
    if not points:
        raise NotFound("No profile has this id or any of these identifiers")
    return points


def _applicable(asked: NewStatement, points: Sequence[ContactPoint], kind: str | None) -> list[ContactPoint]:
    """All addresses on the channel for an opt-out, the only one for a grant; else the strongest identifier."""
    addresses = [point for point in points if point.type == kind]
    if kind is None or asked.is_opt_out:
        return addresses or [min(points, key=lambda point: STRENGTH.index(point.type))]
    if len(addresses) != 1:
        found = "several addresses" if addresses else "no address"
        raise InputRefused(f"the person has {found} on this channel", hint="Name the one concerned in identifiers")
    return addresses
