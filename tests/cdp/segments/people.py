"""People and what they did, and both readings of a catalogue over them."""

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
TOLD_EVENTS = {
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
    told = {"event_type": event_type, "occurred_at": at, "channel": "web", "event_name": None, "currency": None}
    return {**told, **more, "amount": amount, "properties": properties}


def catalogue_of(**rules: Any) -> Catalogue:
    """A catalogue from rules by name."""
    segments = [{"name": name, "title": name, "rule": rule} for name, rule in rules.items()]
    return Catalogue.model_validate({"version": 1, "segments": segments})


def warehouse() -> Warehouse:
    """An empty warehouse in memory, with a table of events as segments see them."""
    made = open_memory()
    made.create_tables(tables.TABLES)
    with made.frame("columns_wanted", pl.DataFrame(schema=TOLD_EVENTS)):
        made.run("create table events as from columns_wanted")
        made.run(
            "create view told_events as "
            "select p.rowid as person, e.* from events e join profiles.profiles p using (profile_id)"
        )
    return made


def fill(into: Warehouse, people: Mapping[str, Human]) -> None:
    """Make these people the content of the warehouse, by profile id."""
    named = list(people.items())
    for table in (tables.PROFILES, tables.METRICS):
        names = set(table.column_names())
        _replace(
            into, table, [{k: v for k, v in who.facts.items() if k in names} | {"profile_id": i} for i, who in named]
        )
    _replace(
        into,
        tables.TRAITS,
        [
            {"profile_id": i, "trait": trait, "value": value, "is_current": True}
            for i, who in named
            for trait, value in who.traits.items()
        ],
    )
    _replace(
        into,
        tables.CHANNEL_STATES,
        [
            {"profile_id": i, "channel": channel, "reachable": reachable, "consent": consent, "suppressed": suppressed}
            for i, who in named
            for channel, (reachable, consent, suppressed) in who.channels.items()
        ],
    )
    events = [[{"profile_id": i, **event}[name] for name in TOLD_EVENTS] for i, who in named for event in who.events]
    into.run("delete from events")
    with into.frame("told", pl.DataFrame(events, schema=TOLD_EVENTS, orient="row")):
        into.run("insert into events from told")


def run(from_: Warehouse, catalogue: Catalogue, as_of: datetime = NOW) -> set[tuple[str, str]]:
    """(profile id, segment) by the reading that runs."""
    return set(memberships(gather(from_, catalogue, as_of).lazy(), catalogue, as_of).rows())


def explained(
    from_: Warehouse, people: Mapping[str, Human], catalogue: Catalogue, as_of: datetime = NOW
) -> set[tuple[str, str]]:
    """(profile id, segment) by the reading that explains."""
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
