"""Consents in the format of `include=consent` and `/consents`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from cdp.consent import Entry, Standing, Statement, Suppression
from cdp.consent.standings import PersonConsents, Point

PURPOSE = "marketing"


def view_of_consents(found: PersonConsents) -> list[dict[str, Any]]:
    """The consent state and suppressions for each contact point, channel, purpose and topic with a statement.

    Marketing is included for every channel.
    """
    return [
        {
            **{"contact_point_id": point.id, "type": point.type, "channel": channel},
            **{"purpose": purpose, "topic": topic},
            **_view_of_standing(found.standing(point, channel, purpose, topic)),
            "suppressed_by": found.suppressed_by(point, channel),
        }
        for point in found.points
        for channel in point.channels
        for purpose, topic in _purposes_and_topics(found.entries, point, channel)
    ]


def view_of_entry(entry: Entry) -> dict[str, Any]:
    return {**vars(entry), "evidence": json.loads(entry.evidence or "{}")}


def view_of_rehearsed(statement: Statement) -> dict[str, Any]:
    """A statement that was not recorded, as `view_of_entry` would show its entry."""
    return {**vars(statement), "occurred_at": statement.occurred_at.astimezone(UTC), **_NOT_RECORDED}


_NOT_RECORDED = dict.fromkeys(("seq", "entry_id", "recorded_at", "previous_hash", "entry_hash"))


def view_of_suppression(suppression: Suppression, found: PersonConsents) -> dict[str, Any]:
    return {**vars(suppression), "is_active": suppression.is_active(found.as_of)}


def _view_of_standing(standing: Standing) -> dict[str, Any]:
    return {"state": standing.state, "allowed": standing.allowed, "entry_id": standing.entry_id}


def _purposes_and_topics(entries: Sequence[Entry], point: Point, channel: str) -> list[tuple[str, str | None]]:
    """Marketing on the channel as a whole, and each purpose and topic with a statement."""
    own = (entry for entry in entries if (entry.contact_point_id, entry.channel) == (point.id, channel))
    found = {(entry.purpose, entry.topic) for entry in own} | {(PURPOSE, None)}
    return sorted(found, key=lambda each: (each[0] != PURPOSE, each[0], each[1] or ""))
