"""Super-records: one record per exact component. The model compares super-records, which share no exact value."""

from __future__ import annotations

import polars as pl

from cdp.warehouse import Warehouse
from identity.clusters import connected_components
from identity.sql import statement

# Claims are in the component of one person of whom others have told, or in one of their own: anybody can make claims,
# and what they say must not make one record of two people.
EXACT_INSIDE = """
with inside as (
    select e.left_id, e.right_id, e.weight, l.is_claim as left_is_claim, r.is_claim as right_is_claim
    from identity.edges e
    join conformed.observations l on l.observation_id = e.left_id
    join conformed.observations r on r.observation_id = e.right_id
    where e.kind = 'exact' and e.left_id in (select observation_id from regrouped)
),
attached as (
    select if(left_is_claim, left_id, right_id) as claim_id,
        arg_min(if(left_is_claim, right_id, left_id), (-weight, left_id, right_id)) as person_id
    from inside
    where left_is_claim <> right_is_claim
    group by claim_id
)
select left_id, right_id from inside where not left_is_claim and not right_is_claim
union all
select person_id, claim_id from attached
union all
select left_id, right_id from inside
where left_is_claim and right_is_claim
    and left_id not in (select claim_id from attached) and right_id not in (select claim_id from attached)
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
