"""The facts that a catalogue looks at, gathered by one statement: DuckDB joins and groups, values are bound.

All conditions on events are columns of one grouping pass over the events of the types that occur in them; a sequence
has a pass of its own over its two kinds of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from cdp import tables
from cdp.fields import MESSAGE_CHANNELS
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
# What a profile without any such events has.
_WITHOUT = {"count": 0, "sum": 0}


def gather(warehouse: Warehouse, catalogue: Catalogue, as_of: datetime) -> pl.DataFrame:
    """profile_id and what the catalogue looks at, a row a profile.

    Reads profiles.profiles, profiles.metrics, profiles.traits, segments.channel_states and, where the catalogue looks
    at events, the relation `told_events`: profile_id, event_type, event_name, channel, occurred_at, amount, currency,
    properties.
    """
    statement = _Statement(as_of)
    looked_at = facts_of(catalogue)
    fields = [name for name, (condition, _) in looked_at.items() if isinstance(condition, (Comparison, ChannelState))]
    traits = {c.trait: name for name, (c, _) in looked_at.items() if isinstance(c, TraitComparison)}
    events = [condition for condition, _ in looked_at.values() if isinstance(condition, EventCondition)]
    sequences = [condition for condition, _ in looked_at.values() if isinstance(condition, rules.Sequence)]
    statement.add_fields(fields)
    statement.add_traits(traits)
    statement.add_events(events)
    for sequence in sequences:
        statement.add_sequence(sequence)
    return warehouse.query(statement.text(), statement.values)


def gather_fields(warehouse: Warehouse, profile_id: str) -> dict[str, Any]:
    """Every fact of one profile that a `field` can name; none of an unknown profile."""
    statement = _Statement()
    statement.add_fields([name for name in FACTS if name != "profile_id"])
    chosen = f"from ({statement.text()}) where profile_id = $profile_id"
    return next(warehouse.query(chosen, {"profile_id": profile_id}).iter_rows(named=True), {})


@dataclass
class _Statement:
    """A statement as it grows: what it selects, what that stands in, what is bound."""

    as_of: datetime | None = None
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
            # Without an address nobody is reached, and nothing is suppressed.
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
        """`traits`: trait → the column that it becomes."""
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
            chosen.append(f'{_AGGREGATES[aggregate]} filter ({self._met(condition)}) as "{name}"')
            value = f'cast(e."{name}" as double)' if aggregate == "sum" else f'e."{name}"'
            absent = _WITHOUT.get(aggregate)
            self.columns.append(f'{value if absent is None else f"coalesce({value}, {absent})"} as "{name}"')
        source = "told_events e"
        if any(condition.sum and not condition.currency for condition in conditions):
            source += (
                " left join (select profile_id, currency as main_currency from profiles.metrics) using (profile_id)"
            )
        kinds = self._listed({kind for condition in conditions for kind in condition.event})
        self._join(
            "event_facts",
            f"select profile_id, {', '.join(chosen)} from {source} where e.event_type in ({kinds}) group by profile_id",
            "e",
        )

    def add_sequence(self, sequence: rules.Sequence) -> None:
        steps, name, number = sequence.sequence, fact_of(sequence)[0], len(self.parts)
        assert self.as_of
        days = f"to_days({self._bound(steps.within_days)}::integer)"
        is_done = f"next_at <= occurred_at + {days}"
        if steps.then_not:
            # Nothing has happened within these days only once they are over.
            waited = f"occurred_at + {days} <= {self._bound(self.as_of)}"
            is_done = f"coalesce(not {is_done}, true) and {waited}"
        self.parts.append(
            f"starts_{number} as (select distinct profile_id, occurred_at from told_events e "
            f"where {self._met(steps.first)})"
        )
        self.parts.append(
            f"seconds_{number} as (select distinct profile_id, occurred_at as next_at from told_events e "
            f"where {self._matched(steps.second)})"
        )
        self._join(
            f"sequence_{number}",
            f'select s.profile_id, max(occurred_at) filter ({is_done}) as "{name}" from starts_{number} s '
            f"asof left join seconds_{number} n on n.profile_id = s.profile_id and s.occurred_at < n.next_at "
            "group by s.profile_id",
            f"s{number}",
        )
        self.columns.append(f's{number}."{name}"')

    def _join(self, name: str, query: str, alias: str) -> None:
        self.parts.append(f"{name} as ({query})")
        self.joins.append(f"left join {name} {alias} using (profile_id)")

    def _bound(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def _listed(self, values: set[str]) -> str:
        return ", ".join(self._bound(value) for value in sorted(values))

    def _met(self, events: rules.EventsInWindow) -> str:
        """Which events are meant, in which window and, for a sum, in which currency."""
        assert self.as_of
        met = [self._matched(events)]
        if events.within_days:
            met.append(f"occurred_at > {self._bound(self.as_of - timedelta(days=events.within_days))}")
        if events.before_days:
            met.append(f"occurred_at <= {self._bound(self.as_of - timedelta(days=events.before_days))}")
        if isinstance(events, EventCondition) and events.sum:
            wanted = self._bound(events.currency) if events.currency else "main_currency"
            met.append(f"e.currency is not distinct from {wanted}")
        return " and ".join(met)

    def _matched(self, match: EventMatch) -> str:
        met = [f"e.event_type in ({self._listed(set(match.event))})"]
        if match.channel:
            met.append(f"e.channel = {self._bound(match.channel)}")
        if match.event_name is not None:
            met.append(f"e.event_name = {self._bound(match.event_name)}")
        for name, values in match.where.items():
            pointer = "/" + name.replace("~", "~0").replace("/", "~1")
            said = f"(e.properties->>{self._bound(pointer)})"
            met.append(f"({' or '.join(self._said(said, value) for value in values)})")
        return " and ".join(met)

    def _said(self, text: str, value: Any) -> str:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = f"case when regexp_full_match({text}, '{NUMBER}') then cast({text} as double) end"
            return f"coalesce({number} = {self._bound(float(value))}, false)"
        return f"coalesce({text} = {self._bound(str(value).lower() if isinstance(value, bool) else value)}, false)"


def _channel_columns() -> Iterator[tuple[str, str]]:
    for channel in MESSAGE_CHANNELS:
        for aspect in CHANNEL_ASPECTS:
            yield f"{channel}_{aspect}", f"any_value({aspect}) filter (channel = '{channel}')"


_CHANNEL_COLUMNS = dict(_channel_columns())
