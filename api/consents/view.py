"""What contact points may be used for: consent and suppressions, as `include=consent` and `/consents` show them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pydantic_core import from_json

from cdp.consent import ADDRESS_TYPES, EVERY_CHANNEL, ConsentRules, ContactPoint, Entry, Standing, Suppression, fold
from cdp.people.published import StoredProfile, find_profile
from cdp.store import Connection
from cdp.store.consents import (
    contact_points_of,
    entries_of,
    find_contact_point,
    holders_of,
    suppressions_of,
)

PURPOSE = "marketing"


class Point(NamedTuple):
    """A contact point by its id: its address may be erased."""

    id: str
    type: str


@dataclass(frozen=True)
class Person:
    """What was stated of a person's contact points until `as_of`, and what suppresses them.

    region: ISO 3166 alpha-2 country of the person, for the rules.
    """

    points: Sequence[Point]
    entries: Sequence[Entry]
    suppressions: Sequence[Suppression]
    as_of: datetime
    region: str | None
    rules: ConsentRules


def consent_of(
    connection: Connection, profile_id: str, *, region: str | None, rules: ConsentRules, as_of: datetime
) -> list[dict[str, Any]]:
    """For each contact point, channel and topic spoken of: the state, whether it permits marketing, what suppresses it.

    region: ISO 3166 alpha-2 country of the person, for the rules.
    """
    points = named(contact_points_of(connection, profile_id))
    return states_of(person_of(connection, points, region=region, rules=rules, as_of=as_of))


def named(points: Iterable[ContactPoint]) -> list[Point]:
    return [Point(point.id, point.type) for point in points]


def person_of(
    connection: Connection, points: Sequence[Point], *, region: str | None, rules: ConsentRules, as_of: datetime
) -> Person:
    """What the store knows of contact points."""
    ids = [point.id for point in points]
    entries = entries_of(connection, ids, as_of)
    return Person(points, entries, suppressions_of(connection, ids), as_of, region, rules)


def person_behind(
    connection: Connection, contact_point_id: str, kind: str, *, rules: ConsentRules, as_of: datetime
) -> Person:
    """The person who has a contact point, that one first; nobody else's, where several people share it."""
    address = find_contact_point(connection, contact_point_id)
    holders = holders_of(connection, address) if address else []
    holder = holders[0] if len(holders) == 1 else None
    others = named(contact_points_of(connection, holder)) if holder else []
    points = [Point(contact_point_id, kind), *(point for point in others if point.id != contact_point_id)]
    region = region_of(find_profile(connection, holder)) if holder else None
    return person_of(connection, points, region=region, rules=rules, as_of=as_of)


def region_of(stored: StoredProfile | None) -> str | None:
    """The country of a profile."""
    country: str | None = from_json(stored.document)["traits"]["country"] if stored else None
    return country


def standing_of(person: Person, point: Point, channel: str, purpose: str, topic: str | None) -> Standing:
    return fold(
        person.entries,
        contact_point_id=point.id,
        channel=channel,
        purpose=purpose,
        topic=topic,
        as_of=person.as_of,
        rules=person.rules,
        region=person.region,
    )


def suppressing(person: Person, point: Point, channel: str) -> list[str]:
    """Why nothing is sent there now."""
    return [
        found.reason
        for found in person.suppressions
        if found.contact_point_id == point.id
        and found.channel in (channel, EVERY_CHANNEL)
        and found.is_active(person.as_of)
    ]


def states_of(person: Person) -> list[dict[str, Any]]:
    """What was in force, each purpose, topic and channel that was spoken of, and marketing on every channel."""
    return [
        {
            **{"contact_point_id": point.id, "type": point.type, "channel": channel},
            **{"purpose": purpose, "topic": topic},
            **_view_of_standing(standing_of(person, point, channel, purpose, topic)),
            "suppressed_by": suppressing(person, point, channel),
        }
        for point in person.points
        for channel in channels_of(point)
        for purpose, topic in _spoken_of(person.entries, point, channel)
    ]


def view_of_entry(entry: Entry) -> dict[str, Any]:
    return {**vars(entry), "evidence": json.loads(entry.evidence or "{}")}


def view_of_suppression(suppression: Suppression, as_of: datetime) -> dict[str, Any]:
    return {**vars(suppression), "is_active": suppression.is_active(as_of)}


def _view_of_standing(standing: Standing) -> dict[str, Any]:
    return {"state": standing.state, "allowed": standing.allowed, "entry_id": standing.entry_id}


def channels_of(point: Point) -> Iterator[str]:
    return (channel for channel, kind in ADDRESS_TYPES.items() if kind == point.type)


def _spoken_of(entries: Sequence[Entry], point: Point, channel: str) -> list[tuple[str, str | None]]:
    """The channel as a whole, and each purpose and topic that was spoken of."""
    own = (entry for entry in entries if (entry.contact_point_id, entry.channel) == (point.id, channel))
    found = {(entry.purpose, entry.topic) for entry in own} | {(PURPOSE, None)}
    return sorted(found, key=lambda each: (each[0] != PURPOSE, each[0], each[1] or ""))
