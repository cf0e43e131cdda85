"""A person's consents in the store, and what they permit for each contact point and channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cdp.channels import channels_addressed_by
from cdp.consent.ledger import contact_points_of, entries_of, find_contact_point, holders_of, suppressions_of
from cdp.consent.standing import ConsentRules, Standing, fold
from cdp.consent.statement import EVERY_CHANNEL, Entry, Suppression
from cdp.people.reading import find_person
from cdp.store import Connection


class Point(NamedTuple):
    """A contact point without its address, which may be erased."""

    id: str
    type: str

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels whose messages are addressed to it."""
        return channels_addressed_by(self.type)


@dataclass(frozen=True)
class PersonConsents:
    """The statements about a person's contact points until `as_of`, and their suppressions.

    region: ISO 3166 alpha-2 country of the person, for the rules.
    """

    points: Sequence[Point]
    entries: Sequence[Entry]
    suppressions: Sequence[Suppression]
    as_of: datetime
    region: str | None
    rules: ConsentRules

    def standing(self, point: Point, channel: str, purpose: str, topic: str | None) -> Standing:
        """The consent in force for a contact point on a channel."""
        return fold(
            self.entries,
            contact_point_id=point.id,
            channel=channel,
            purpose=purpose,
            topic=topic,
            as_of=self.as_of,
            rules=self.rules,
            region=self.region,
        )

    def suppressed_by(self, point: Point, channel: str) -> list[str]:
        """The reasons of the active suppressions of a contact point on a channel."""
        return [
            found.reason
            for found in self.suppressions
            if found.contact_point_id == point.id
            and found.channel in (channel, EVERY_CHANNEL)
            and found.is_active(self.as_of)
        ]


def points_of(connection: Connection, profile_id: str) -> list[Point]:
    """The contact points of a profile, published or live."""
    return [Point(point.id, point.type) for point in contact_points_of(connection, profile_id)]


def read_consents(
    connection: Connection, points: Sequence[Point], *, region: str | None, rules: ConsentRules, as_of: datetime
) -> PersonConsents:
    """The consents of the contact points of one person."""
    ids = [point.id for point in points]
    entries = entries_of(connection, ids, as_of)
    return PersonConsents(points, entries, suppressions_of(connection, ids), as_of, region, rules)


def read_holders_consents(
    connection: Connection, point: Point, *, rules: ConsentRules, as_of: datetime
) -> PersonConsents:
    """The consents of the holder of a contact point, that point first; for a shared one, only its own consents."""
    address = find_contact_point(connection, point.id)
    holders = holders_of(connection, address) if address else []
    holder = holders[0] if len(holders) == 1 else None
    others = points_of(connection, holder) if holder else []
    points = [point, *(other for other in others if other.id != point.id)]
    person = find_person(connection, holder) if holder else None
    region = person.country if person else None
    return read_consents(connection, points, region=region, rules=rules, as_of=as_of)
