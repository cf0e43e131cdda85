"""Super-records: one record per exact component. The model compares super-records, which share no exact value."""

from __future__ import annotations

import polars as pl

from cdp.warehouse import Warehouse
from identity.clusters import connected_components
from identity.sql import statement

EXACT_INSIDE = """
select left_id, right_id from identity.edges
where kind = 'exact' and left_id in (select observation_id from regrouped)
"""


def regroup(warehouse: Warehouse) -> None:
    """Update the exact components of `touched` and `redescribed` observations, and their super-records; write
    `changed_records` (unique_id)."""
    warehouse.run(statement("regrouped"), name="regrouped")
    observations = warehouse.query("select observation_id from regrouped")["observation_id"]
    describe(warehouse, connected_components(observations, warehouse.query(EXACT_INSIDE)))
    warehouse.run(statement("super_records"), name="resolver.super_records")


def describe(warehouse: Warehouse, components: pl.DataFrame) -> None:
    """Write `components` and `component_records`, one row per super-record, from observation_id, component_id."""
    with warehouse.frame("incoming_components", components):
        warehouse.run("create or replace temp table components as select * from incoming_components")
    warehouse.run(statement("component_records"), name="component_records")
