"""The facts that a catalogue needs, gathered by one statement: DuckDB joins and groups, values are bound.

The events that conditions use are copied into a narrow table once. All event conditions are columns of a single
grouping pass over it; each sequence has its own pass over its two types of events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from cdp import tables
from cdp.channels import MESSAGE_CHANNELS
from cdp.segments import rules
from cdp.segments.facts import CHANNEL_ASPECTS, FACTS, NUMBER, fact_of, facts_of
from cdp.segments.rules import Catalogue, ChannelState, Comparison, EventCondition, EventMatch, TraitComparison
from cdp.warehouse import Warehouse

_AGGREGATES = {
    "count": "count(*)",
    "sum": "sum(amount)",
    "last": "max(occurred_at)",
    "first": "min(occurred_at)",
}
# The values for a profile without matching events; NULL for the other aggregates.
_WITHOUT_EVENTS = {"count": 0, "sum": 0}


def gather(warehouse: Warehouse, catalogue: Catalogue, as_of: datetime) -> pl.DataFrame:
    """profile_id and the facts that the catalogue needs, one row per profile.

    Reads profiles.profiles, profiles.metrics, profiles.traits, segments.channel_states and, if the catalogue uses
    events, the relation `told_events`: person (the row number in profiles.profiles), event_type, event_name, channel,
    occurred_at, amount, currency, properties.
    """
    needed = facts_of(catalogue)
    conditions = [condition for condition, _ in needed.values()]
    traits = {one.trait: name for name, (one, _) in needed.items() if isinstance(one, TraitComparison)}
    events = [one for one in conditions if isinstance(one, EventCondition)]
    sequences = [one for one in conditions if isinstance(one, rules.Sequence)]
    matches = [*events, *(step for one in sequences for step in (one.sequence.first, one.sequence.second))]
    statement = _Statement(as_of, kinds_of(matches), _properties(matches))
    statement.add_fields([name for name, (one, _) in needed.items() if isinstance(one, (Comparison, ChannelState))])
    statement.add_traits(traits)
    statement.add_events(events)
    for sequence in sequences:
        statement.add_sequence(sequence)
    if matches:
        warehouse.run(*_narrow_table(matches), name="segment_events")
    found = warehouse.query(statement.text(), statement.values)
    warehouse.run("drop table if exists segment_events")
    return found


def gather_fields(warehouse: Warehouse, profile_id: str) -> dict[str, Any]:
    """Every fact of one profile that a `field` can name; empty for an unknown profile."""
    statement = _Statement()
    statement.add_fields([name for name in FACTS if name != "profile_id"])
    chosen = f"from ({statement.text()}) where profile_id = $profile_id"
    return next(warehouse.query(chosen, {"profile_id": profile_id}).iter_rows(named=True), {})


def kinds_of(matches: Iterable[EventMatch]) -> tuple[str, ...]:
    """The event types in use; `segment_events` stores their position in this list."""
    return tuple(sorted({kind for match in matches for kind in match.event}))


def _narrow_table(matches: Sequence[EventMatch]) -> tuple[str, dict[str, Any]]:
    """SQL, with its values, of the events and columns that conditions use."""
    sums = [match for match in matches if isinstance(match, EventCondition) and match.sum]
    own_sums = [match for match in sums if not match.currency]
    wanted: dict[str, list[EventMatch]] = {
        "channel": [match for match in matches if match.channel],
        "event_name": [match for match in matches if match.event_name is not None],
        "amount": [match for match in sums if match.currency],
        "currency": [match for match in sums if match.currency],
    }
    # Columns are NULL for event types whose conditions do not use them.
    columns = [
        f"case when event_type in ({_types(needing)}) then {name} end as {name}"
        for name, needing in wanted.items()
        if needing
    ]
    properties = _properties(matches)
    for number, name in enumerate(properties):
        needing = [match for match in matches if name in match.where]
        columns.append(f"case when event_type in ({_types(needing)}) then properties->>$p{number} end as p{number}")
    if own_sums:
        columns.append("case when currency is not distinct from main_currency then amount end as own_amount")
    numbered = " ".join(f"when '{kind}' then {number}" for number, kind in enumerate(kinds_of(matches)))
    statement = f"""
        create or replace temp table segment_events as
        select {", ".join(["person", "occurred_at", *columns])},
            (case event_type {numbered} end)::utinyint as kind
        from told_events {_WITH_MAIN_CURRENCY if own_sums else ""}
        where event_type in ({_types(matches)})
    """
    return statement, {f"p{number}": _pointer(name) for number, name in enumerate(properties)}


def _properties(matches: Iterable[EventMatch]) -> list[str]:
    """The names of the properties in use; each is a column of `segment_events`."""
    return sorted({name for match in matches for name in match.where})


def _pointer(name: str) -> str:
    """A JSON pointer (RFC 6901) to a property at the top level."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _types(matches: Iterable[EventMatch]) -> str:
    """Their event types as a list in SQL; only values from `cdp/fields.py` occur."""
    return ", ".join(f"'{kind}'" for kind in kinds_of(matches))


@dataclass
class _Statement:
    """A statement under construction: its columns, CTEs (`parts`), joins and bound values."""

    as_of: datetime | None = None
    kinds: Sequence[str] = ()
    properties: Sequence[str] = ()
    columns: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        parts = f"with {', '.join(self.parts)} " if self.parts else ""
        columns = ", ".join(["p.profile_id", *self.columns])
        return f"{parts}select {columns} from profiles.profiles p {' '.join(self.joins)}"

    def add_fields(self, names: Sequence[str]) -> None:
        own, channels = tables.PROFILES.column_names(), [name for name in names if name in _CHANNEL_COLUMNS]
        for name in names:
            owner = "p" if name in own else "c" if name in channels else "m"
            as_float = FACTS[name] == pl.Float64
            column = f'cast({owner}."{name}" as double)' if as_float else f'{owner}."{name}"'
            # Without an address, a profile is neither reachable nor suppressed.
            absent = name in channels and FACTS[name] == pl.Boolean
            self.columns.append(f'{f"coalesce({column}, false)" if absent else column} as "{name}"')
        if set(names) - {*own, *channels}:
            self.joins.append("left join profiles.metrics m using (profile_id)")
        if channels:
            chosen = ", ".join(f"{_CHANNEL_COLUMNS[name]} as {name}" for name in channels)
            self._join(
                "channel_facts", f"select profile_id, {chosen} from segments.channel_states group by profile_id", "c"
            )

    def add_traits(self, traits: Mapping[str, str]) -> None:
        """`traits`: trait → name of its column."""
        if traits:
            names = {trait: self._bound(trait) for trait in traits}
            chosen = ", ".join(f'max(value) filter (trait = {names[trait]}) as "{traits[trait]}"' for trait in traits)
            self.columns += [f't."{column}"' for column in traits.values()]
            of = f"from profiles.traits where is_current and trait in ({', '.join(names.values())}) group by profile_id"
            self._join("trait_facts", f"select profile_id, {chosen} {of}", "t")

    def add_events(self, conditions: Sequence[EventCondition]) -> None:
        if not conditions:
            return
        chosen = []
        for condition in conditions:
            name, aggregate = fact_of(condition)[0], condition.aggregate
            computed = "sum(own_amount)" if condition.sum and not condition.currency else _AGGREGATES[aggregate]
            chosen.append(f'{computed} filter ({self._in_window(condition)}) as "{name}"')
            value = f'cast(e."{name}" as double)' if aggregate == "sum" else f'e."{name}"'
            absent = _WITHOUT_EVENTS.get(aggregate)
            self.columns.append(f'{value if absent is None else f"coalesce({value}, {absent})"} as "{name}"')
        self._join_by_number(
            "event_facts", f"select person, {', '.join(chosen)} from segment_events e group by person", "e"
        )

    def add_sequence(self, sequence: rules.Sequence) -> None:
        steps, name, number = sequence.sequence, fact_of(sequence)[0], len(self.parts)
        assert self.as_of
        days = f"to_days({self._bound(steps.within_days)}::integer)"
        is_done = f"next_at <= occurred_at + {days}"
        if steps.then_not:
            # That nothing happened within these days is only known once they are over.
            waited = f"occurred_at + {days} <= {self._bound(self.as_of)}"
            is_done = f"coalesce(not {is_done}, true) and {waited}"
        starts = f"select person, occurred_at from segment_events e where {self._in_window(steps.first)}"
        seconds = f"select person, occurred_at as next_at from segment_events e where {self._matched(steps.second)}"
        self._join_by_number(
            f"sequence_{number}",
            f'select s.person, max(occurred_at) filter ({is_done}) as "{name}" from ({starts}) s '
            f"asof left join ({seconds}) n on n.person = s.person and s.occurred_at < n.next_at group by s.person",
            f"s{number}",
        )
        self.columns.append(f's{number}."{name}"')

    def _join(self, name: str, query: str, alias: str) -> None:
        self.parts.append(f"{name} as ({query})")
        self.joins.append(f"left join {name} {alias} using (profile_id)")

    def _join_by_number(self, name: str, query: str, alias: str) -> None:
        self.parts.append(f"{name} as ({query})")
        self.joins.append(f"left join {name} {alias} on {alias}.person = p.rowid")

    def _bound(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def _in_window(self, events: rules.EventsInWindow) -> str:
        """SQL of the matching events within their window and, for a sum, in their currency."""
        assert self.as_of
        conditions = [self._matched(events)]
        if events.within_days:
            conditions.append(f"occurred_at > {self._bound(self.as_of - timedelta(days=events.within_days))}")
        if events.before_days:
            conditions.append(f"occurred_at <= {self._bound(self.as_of - timedelta(days=events.before_days))}")
        if isinstance(events, EventCondition) and events.currency:
            conditions.append(f"e.currency = {self._bound(events.currency)}")
        return " and ".join(conditions)

    def _matched(self, match: EventMatch) -> str:
        conditions = [f"kind in ({', '.join(str(self.kinds.index(kind)) for kind in match.event)})"]
        if match.channel:
            conditions.append(f"e.channel = {self._bound(match.channel)}")
        if match.event_name is not None:
            conditions.append(f"e.event_name = {self._bound(match.event_name)}")
        for name, values in match.where.items():
            column = f"e.p{self.properties.index(name)}"
            conditions.append(f"({' or '.join(self._equals(column, value) for value in values)})")
        return " and ".join(conditions)

    def _equals(self, text: str, value: Any) -> str:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = f"case when regexp_full_match({text}, '{NUMBER}') then cast({text} as double) end"
            return f"coalesce({number} = {self._bound(float(value))}, false)"
        return f"coalesce({text} = {self._bound(str(value).lower() if isinstance(value, bool) else value)}, false)"


_WITH_MAIN_CURRENCY = (
    "left join (select p.rowid as person, m.currency as main_currency from profiles.profiles p "
    "join profiles.metrics m using (profile_id)) using (person)"
)


def _channel_columns() -> Iterator[tuple[str, str]]:
    for channel in MESSAGE_CHANNELS:
        for aspect in CHANNEL_ASPECTS:
            yield f"{channel}_{aspect}", f"any_value({aspect}) filter (channel = '{channel}')"


_CHANNEL_COLUMNS = dict(_channel_columns())
