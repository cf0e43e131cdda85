"""From what a client says about consent to entries of the ledger: whose contact points it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from api.consents.schemas import ConsentRequest
from cdp.consent import ADDRESS_TYPES, ContactPoint, Entry, Statement
from cdp.errors import InputRefused, NotFound
from cdp.people.published import STRENGTH, find_profile
from cdp.store import Connection
from cdp.store.consents import contact_points_of, find_contact_point, holders_of, keep_contact_points, record

# Clients' clocks differ from ours.
CLOCK_SKEW = timedelta(minutes=1)


def state_consent(
    connection: Connection, asked: ConsentRequest, identifiers: Sequence[tuple[str, str]], client_id: str, now: datetime
) -> list[Entry]:
    """Record what was said, within a write transaction; the first entry is the statement's own.

    An opt-out from everything is recorded for every contact point that the person has by now, so that none loses it
    should they turn out to be two people.

    Args:
        identifiers: the request's own, normalised.

    Raises:
        InputRefused: it is not clear to which contact point a grant belongs, or it was given in the future.
        NotFound: nobody has this id.
    """
    occurred_at = _occurred_at(asked, now)
    named = _named(connection, asked, [ContactPoint(*pair) for pair in identifiers])
    points = reached_by(connection, named, asked.effective_scope) if asked.is_opt_out else named
    keep_contact_points(connection, points)
    statements = [
        Statement(
            contact_point_id=point.id,
            contact_point_type=point.type,
            channel=asked.channel,
            purpose=asked.purpose,
            topic=asked.topic,
            state=asked.state,
            scope=asked.effective_scope,
            basis=asked.basis,
            occurred_at=occurred_at,
            source="api",
            actor=client_id,
            evidence=asked.evidence.model_dump(exclude_none=True),
        )
        for point in points
    ]
    return record(connection, statements, now)


def reached_by(connection: Connection, named: Sequence[ContactPoint], scope: str) -> list[ContactPoint]:
    """The contact points that an opt-out is recorded for: those named and, if it is from everything, the person's."""
    if scope != "all":
        return list(named)
    holders = {holder for point in named for holder in holders_of(connection, point)}
    # An address of several people is no proof that they are one.
    others = contact_points_of(connection, holders.pop()) if len(holders) == 1 else []
    addresses = [point for point in others if point.type in ADDRESS_TYPES.values()]
    return list(dict.fromkeys([*named, *addresses]))


def _occurred_at(asked: ConsentRequest, now: datetime) -> datetime:
    if asked.occurred_at is None:
        return now
    if asked.occurred_at > now + CLOCK_SKEW:
        raise InputRefused("occurred_at is in the future")
    # In force from now on, also for who asks at once.
    return min(asked.occurred_at, now)


def _named(connection: Connection, asked: ConsentRequest, given: Sequence[ContactPoint]) -> list[ContactPoint]:
    if asked.contact_point_id:
        point = find_contact_point(connection, asked.contact_point_id)
        if point is None:
            raise NotFound("There is no contact point with this id")
        return [point]
    kind = ADDRESS_TYPES.get(asked.channel)
    own = [point for point in given if point.type == kind]
    return _one_of(asked, own or _persons(connection, asked, given), kind)


def _persons(connection: Connection, asked: ConsentRequest, given: Sequence[ContactPoint]) -> list[ContactPoint]:
    """The contact points of the person that is meant."""
    if asked.profile_id:
        stored = find_profile(connection, asked.profile_id)
        profile_ids = [stored.profile_id if stored else asked.profile_id]
    else:
        profile_ids = next((found for point in given if (found := holders_of(connection, point))), [])
    points = [point for profile_id in profile_ids for point in contact_points_of(connection, profile_id)]
    if not points:
        raise NotFound("No profile has this id or any of these identifiers")
    return points


def _one_of(asked: ConsentRequest, points: Sequence[ContactPoint], kind: str | None) -> list[ContactPoint]:
    """All addresses of the channel for an opt-out, the only one for anything else; without one, who it is."""
    addresses = [point for point in points if point.type == kind]
    if kind is None or asked.is_opt_out:
        return addresses or [min(points, key=lambda point: STRENGTH.index(point.type))]
    if len(addresses) != 1:
        found = "several addresses" if addresses else "no address"
        raise InputRefused(
            f"the person has {found} for this channel", hint="Name the one it was given for, in identifiers"
        )
    return addresses
