"""What each person has done: `profiles.metrics`, built from the declarations in `cdp/metrics/catalogue.py`."""

from __future__ import annotations

from datetime import datetime

from cdp import fields, tables
from cdp.channels import CHANNEL_NAMES
from cdp.metrics import lifecycle
from cdp.metrics.catalogue import METRICS, Metric, Relation, relations
from cdp.warehouse import Warehouse
from pipelines.sql import statement

# In the order in which they are made: each may read those before it, and `numbered` and `activity`.
RELATIONS = ("active_days", "purchases", "conversions", "messages", "scores")


def write_metrics(warehouse: Warehouse, as_of: datetime) -> None:
    """Write profiles.metrics as of a time, and the temporary tables `numbered` and `activity` (see `sql/`)."""
    tell_activity(warehouse, as_of)
    rule = lifecycle.is_lapse("days", "order_count", "median_days")
    warehouse.run(f"create or replace temp macro is_lapse(days, order_count, median_days) as {rule}", name="is_lapse")
    statements = {
        **{name: statement(name) for name in RELATIONS},
        **{_aggregated(relation): _aggregation(relation) for relation in relations()},
        tables.METRICS.full_name: _collection(),
    }
    for name, text in statements.items():
        warehouse.run(text, {"as_of": as_of} if "$as_of" in text else None, name=name)
    for name in (*RELATIONS, *map(_aggregated, relations())):
        warehouse.run(f"drop table {name}", name=name)


def tell_activity(warehouse: Warehouse, as_of: datetime) -> None:
    """Make the temporary tables `numbered` and `activity` (see `sql/`), which preferences and segments read, too."""
    for name, words in (("channel_word", CHANNEL_NAMES), ("event_word", fields.EVENT_TYPES)):
        warehouse.run(f"create temp type if not exists {name} as enum ({', '.join(map(repr, words))})", name=name)
    warehouse.run(statement("numbered"), name="numbered")
    warehouse.run(statement("activity"), {"as_of": as_of}, name="activity")


def document_of_metrics() -> str:
    """SQL over profiles.metrics, as `m`, of the JSON text of a profile's metrics. Windows in which nothing happened are
    left out: a document is read for each message that is sent, and most windows of most people are empty."""
    lasting = ", ".join(f"{metric.name} := m.{metric.name}" for metric in METRICS if metric.window_days is None)
    windowed = ", ".join(
        f"{metric.name} := nullif(m.{metric.name}, 0)" for metric in METRICS if metric.window_days is not None
    )
    # Merging into nothing takes out what is null (RFC 7396).
    happened = f"json_merge_patch('{{}}', to_json(struct_pack({windowed})))::varchar"
    return (
        f"concat(rtrim(to_json(struct_pack(profile_id := m.profile_id, {lasting}))::varchar, '}}'), "
        f"replace(',' || ltrim({happened}, '{{'), ',}}', '}}'))"
    )


def _aggregation(relation: Relation) -> str:
    """SQL of the temporary table of a relation's metrics, a row per person that it has rows of."""
    mine = [metric for metric in METRICS if metric.relation == relation]
    columns = ",\n    ".join(f"{_typed(metric)} as {metric.name}" for metric in mine)
    return (
        f"create or replace temp table {_aggregated(relation)} as\nselect person,\n    {columns}\n"
        f"from {relation.name}\nwhere {relation.where}\ngroup by person"
    )


def _collection() -> str:
    """SQL of profiles.metrics: a row for everybody, with what was aggregated and what follows from it."""
    joins = "\n".join(
        f"    left join {_aggregated(relation)} on {_aggregated(relation)}.person = p.rowid" for relation in relations()
    )
    found = ", ".join(f"{_or_none(metric)} as {metric.name}" for metric in METRICS if metric.relation)
    columns = ", ".join(metric.name if metric.relation else f"{_typed(metric)} as {metric.name}" for metric in METRICS)
    return (
        f"create or replace table {tables.METRICS.full_name} as\nwith collected as (\n"
        f"    select p.profile_id, p.created_at, {found}\n    from profiles.profiles p\n{joins}\n)\n"
        f"select profile_id, {columns}\nfrom collected"
    )


def _aggregated(relation: Relation) -> str:
    position = relations().index(relation)
    return f"metrics_{position}_of_{relation.name}"


def _typed(metric: Metric) -> str:
    return f"cast({metric.sql} as {metric.type.sql})"


def _or_none(metric: Metric) -> str:
    return f"coalesce({metric.name}, {metric.none})" if metric.none else metric.name
