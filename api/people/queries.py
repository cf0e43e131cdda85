"""Queries on the published warehouse for one profile: its events and its observations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from api.cursors import Cursors
from cdp import fields
from cdp.warehouse import Warehouse
from identity.references import Reference, observations_meant

# Microseconds since 1970, and the event's id: no two events share both.
EventPosition = tuple[
    Annotated[int, Field(ge=-(2**55), le=2**55)], Annotated[str, Field(pattern=str(fields.EventId.pattern))]
]
EVENT_CURSORS: Cursors[EventPosition] = Cursors(EventPosition)


@dataclass(frozen=True)
class EventFilter:
    """A filter of events: from `start` on, before `end`, with a name in `only` and not in `but`."""

    start: datetime | None = None
    end: datetime | None = None
    only: tuple[str, ...] = ()
    but: tuple[str, ...] = ()


@dataclass(frozen=True)
class EventPage:
    """A page of events. events: JSON texts. next_cursor: the start of the next page, if there is one."""

    events: list[str]
    next_cursor: str | None


_EVENTS = """
with mine as (select observation_id from identity.members where profile_id = $profile_id and valid_to_run is null)
select epoch_us(e.occurred_at) as at, e.event_id, cast(to_json(struct_pack(
    event_id := e.event_id, source := e.source, channel := e.channel, event_type := e.event_type,
    event_name := e.event_name, occurred_at := iso(e.occurred_at), received_at := iso(e.received_at),
    message_ref := e.message_ref, campaign_ref := e.campaign_ref, is_machine := e.is_machine,
    amount := cast(e.amount as varchar), currency := e.currency, properties := e.properties,
    observation_id := e.observation_id, file := f.path, line_number := e.line_number)) as varchar) as event
from conformed.events e
semi join mine using (observation_id)
join landing.files f using (file_id)
where ($start is null or e.occurred_at >= cast($start as timestamptz))
    and ($end is null or e.occurred_at < cast($end as timestamptz))
    and (len($only) = 0 or list_contains($only, e.event_name))
    and not list_contains($but, coalesce(e.event_name, ''))
    and ($after_us is null or {comparison})
order by e.occurred_at {direction}, e.event_id {direction}
limit $limit
"""
_ORDERS = {
    "desc": "(epoch_us(e.occurred_at), e.event_id) < ($after_us, $after_id)",
    "asc": "(epoch_us(e.occurred_at), e.event_id) > ($after_us, $after_id)",
}
_EVENTS_BY_ORDER = {
    direction: _EVENTS.format(direction=direction, comparison=comparison) for direction, comparison in _ORDERS.items()
}


def events_of(
    warehouse: Warehouse,
    profile_id: str,
    limit: int,
    after: EventPosition | None,
    order: str = "desc",
    wanted: EventFilter = EventFilter(),
) -> EventPage:
    """A page of a profile's events by time; `order`: desc (newest first) or asc."""
    rows = warehouse.query(
        _EVENTS_BY_ORDER[order],
        {
            **{"profile_id": profile_id, "limit": limit + 1, "only": list(wanted.only), "but": list(wanted.but)},
            **{"start": _iso(wanted.start), "end": _iso(wanted.end)},
            **{"after_us": after[0] if after else None, "after_id": after[1] if after else None},
        },
    ).rows()
    last = rows[limit - 1] if len(rows) > limit else None
    cursor = EVENT_CURSORS.text((last[0], last[1])) if last else None
    return EventPage([event for _, _, event in rows[:limit]], cursor)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


_MEMBERS = """
with mine as (
    select observation_id, valid_from_run from identity.members where profile_id = $1 and valid_to_run is null
),
held as (
    select i.observation_id, list(struct_pack(type := i.type, value := i.value) order by i.type, i.value) as identifiers
    from identity.identifiers i semi join mine using (observation_id) group by i.observation_id
)
select cast(to_json(struct_pack(
    observation_id := o.observation_id, source := o.source, first_seen_at := iso(o.first_seen_at),
    last_seen_at := iso(o.last_seen_at), event_count := o.event_count, member_since_run := mine.valid_from_run,
    identifiers := coalesce(h.identifiers, []))) as varchar) as member
from mine join conformed.observations o using (observation_id) left join held h using (observation_id)
order by o.first_seen_at, o.observation_id
"""


def members_of(warehouse: Warehouse, profile_id: str) -> list[dict[str, Any]]:
    """The observations that make up a profile, oldest first, each with its identifiers."""
    return [json.loads(member) for member in warehouse.query(_MEMBERS, [profile_id])["member"]]


def holders(warehouse: Warehouse, profile_id: str, identifier: tuple[str, str]) -> list[str]:
    """The observations of a profile that match an identifier, given as (type, normalised value)."""
    meant = observations_meant(warehouse, Reference(*identifier, position="identifier"))
    return [observation for observation, profile in meant.iter_rows() if profile == profile_id]
