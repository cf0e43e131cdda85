"""Each person's metrics: `profiles.metrics`, built from the declarations in `cdp/metrics/catalogue.py`."""

from __future__ import annotations

from datetime import datetime

from cdp import tables
from cdp.metrics import lifecycle
from cdp.metrics.catalogue import METRICS, Metric, Relation, relations
from cdp.warehouse import Warehouse
from pipelines.profiles.activity import tell_activity
from pipelines.profiles.relations import aggregated
from pipelines.statements import statement

# In build order: each may read the ones before it, and `numbered` and `activity`.
RELATIONS = ("active_days", "purchases", "conversions", "messages", "scores")


def write_metrics(warehouse: Warehouse, as_of: datetime) -> None:
    """Write profiles.metrics as of a time, and the temporary tables `numbered` and `activity` (see `sql/`)."""
    tell_activity(warehouse, as_of)
    rule = lifecycle.is_lapse("days", "order_count", "median_days")
    warehouse.run(f"create or replace temp macro is_lapse(days, order_count, median_days) as {rule}", name="is_lapse")
    statements = {
        **{name: statement(f"profiles/{name}") for name in RELATIONS},
        **{aggregated(relation): _aggregation(relation) for relation in relations()},
        tables.METRICS.full_name: _collection(),
    }
    for name, text in statements.items():
        warehouse.run(text, {"as_of": as_of} if "$as_of" in text else None, name=name)
    for name in (*RELATIONS, *map(aggregated, relations())):
        warehouse.run(f"drop table {name}", name=name)


def _aggregation(relation: Relation) -> str:
    """SQL of the temporary table of a relation's metrics: a row for each person with rows in the relation."""
    mine = [metric for metric in METRICS if metric.relation == relation]
    columns = ",\n    ".join(f"{_typed(metric)} as {metric.name}" for metric in mine)
    return (
        f"create or replace temp table {aggregated(relation)} as\nselect person,\n    {columns}\n"
        f"from {relation.name}\nwhere {relation.where}\ngroup by person"
    )


def _collection() -> str:
    """SQL of profiles.metrics: a row for each profile, with aggregated and derived metrics."""
    joins = "\n".join(
        f"    left join {aggregated(relation)} on {aggregated(relation)}.person = p.rowid" for relation in relations()
    )
    found = ", ".join(f"{_or_none(metric)} as {metric.name}" for metric in METRICS if metric.relation)
    columns = ", ".join(metric.name if metric.relation else f"{_typed(metric)} as {metric.name}" for metric in METRICS)
    return (
        f"create or replace table {tables.METRICS.full_name} as\nwith collected as (\n"
        f"    select p.profile_id, p.created_at, {found}\n    from profiles.profiles p\n{joins}\n)\n"
        f"select profile_id, {columns}\nfrom collected"
    )


def _typed(metric: Metric) -> str:
    return f"cast({metric.sql} as {metric.type.sql})"


def _or_none(metric: Metric) -> str:
    return f"coalesce({metric.name}, {metric.none})" if metric.none else metric.name
