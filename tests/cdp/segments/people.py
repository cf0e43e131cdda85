"""People and their events, and both interpretations of a catalogue for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from cdp import tables
from cdp.contract import Table
from cdp.segments import Catalogue, Person, explain, memberships
from cdp.segments.gathering import gather, gather_fields
from cdp.warehouse import Warehouse, open_memory

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVENT_COLUMNS = {
    "profile_id": pl.String(),
    "event_type": pl.String(),
    "event_name": pl.String(),
    "channel": pl.String(),
    "occurred_at": pl.Datetime("us", "UTC"),
    "amount": pl.Decimal(18, 2),
    "currency": pl.String(),
    "properties": pl.String(),
}


def ago(days: float, microseconds: int = 0) -> datetime:
    return NOW - timedelta(days=days) + timedelta(microseconds=microseconds)


@dataclass(frozen=True)
class Human:
    """facts: columns of profiles.profiles and profiles.metrics. channels: channel → reachable, consent, suppressed."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    traits: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, tuple[bool, str, bool]] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()


def did(event_type: str, at: datetime = NOW, **more: Any) -> dict[str, Any]:
    """An event; `properties` as a dictionary, `amount` as text."""
    properties = json.dumps(more.pop("properties")) if "properties" in more else None
    amount = Decimal(more.pop("amount")) if more.get("amount") is not None else None
    event = {"event_type": event_type, "occurred_at": at, "channel": "web", "event_name": None, "currency": None}
    return {**event, **more, "amount": amount, "properties": properties}


def catalogue_of(**rules: Any) -> Catalogue:
    """A catalogue from rules by name."""
    segments = [{"name": name, "title": name, "rule": rule} for name, rule in rules.items()]
    return Catalogue.model_validate({"version": 1, "segments": segments})


def warehouse() -> Warehouse:
    """An empty in-memory warehouse, with the events relation that segments read."""
    made = open_memory()
    made.create_tables(tables.TABLES)
    with made.frame("columns_wanted", pl.DataFrame(schema=EVENT_COLUMNS)):
        made.run("create table events as from columns_wanted")
        made.run(
            "create view told_events as "
            "select p.rowid as person, e.* from events e join profiles.profiles p using (profile_id)"
        )
    return made


def fill(into: Warehouse, people: Mapping[str, Human]) -> None:
    """Replace the content of the warehouse with these people, by profile id."""
    named = list(people.items())
    for table in (tables.PROFILES, tables.METRICS):
        names = set(table.column_names())
        _replace(
            into,
            table,
            [{k: v for k, v in human.facts.items() if k in names} | {"profile_id": i} for i, human in named],
        )
    _replace(
        into,
        tables.TRAITS,
        [
            {"profile_id": i, "trait": trait, "value": value, "is_current": True}
            for i, human in named
            for trait, value in human.traits.items()
        ],
    )
    _replace(
        into,
        tables.CHANNEL_STATES,
        [
            {"profile_id": i, "channel": channel, "reachable": reachable, "consent": consent, "suppressed": suppressed}
            for i, human in named
            for channel, (reachable, consent, suppressed) in human.channels.items()
        ],
    )
    events = [
        [{"profile_id": i, **event}[name] for name in EVENT_COLUMNS] for i, human in named for event in human.events
    ]
    into.run("delete from events")
    with into.frame("events_wanted", pl.DataFrame(events, schema=EVENT_COLUMNS, orient="row")):
        into.run("insert into events from events_wanted")


def run(from_: Warehouse, catalogue: Catalogue, as_of: datetime = NOW) -> set[tuple[str, str]]:
    """(profile id, segment) by the interpretation that runs over all profiles."""
    return set(memberships(gather(from_, catalogue, as_of).lazy(), catalogue, as_of).rows())


def explained(
    from_: Warehouse, people: Mapping[str, Human], catalogue: Catalogue, as_of: datetime = NOW
) -> set[tuple[str, str]]:
    """(profile id, segment) by the interpretation that explains single profiles."""
    return {
        (profile_id, segment.name)
        for profile_id, human in people.items()
        for segment in catalogue.segments
        if explain(segment.rule, person(from_, profile_id, human), catalogue, as_of).held
    }


def person(from_: Warehouse, profile_id: str, human: Human) -> Person:
    return Person(gather_fields(from_, profile_id), human.traits, human.events)


def _replace(into: Warehouse, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    schema = table.polars_schema()
    wanted = [[row.get(name) for name in schema] for row in rows]
    into.replace_rows(table, pl.DataFrame(wanted, schema=schema, orient="row"))
