"""Evidence that two observations are one person: exact values, the model's judgement, a steward's word."""

from __future__ import annotations

import polars as pl

from cdp import tables
from cdp.warehouse import Warehouse
from identity.blocking import block
from identity.clusters import connected_components
from identity.linker import score
from identity.model import REVIEW_PROBABILITY, Model
from identity.sql import statement

# How far a rule is trusted, as the probability that it joins one person. Constraints break ties by it.
RULE_PROBABILITIES = {
    "customer_id": 0.9999,
    "email": 0.999,
    "phone": 0.998,
    "anonymous_id": 0.997,
    "device_token": 0.995,
    "email+name": 0.995,
    "phone+name": 0.993,
}
STEWARD_PROBABILITY = 0.999999
STEWARD_WEIGHT = 20.0


def gather(warehouse: Warehouse, model: Model, steward_links: pl.DataFrame) -> None:
    """Write identity.edges from the judged values, the model and the stewards' links (left_id, right_id)."""
    share_values(warehouse)
    describe_components(warehouse)
    block(warehouse)
    score(warehouse, "super_records", model, threshold=REVIEW_PROBABILITY)
    warehouse.run(statement("model_edges"), {"version": model.version}, name="model_edges")
    warehouse.run(f"delete from {tables.EDGES.full_name}")
    warehouse.run(f"insert into {tables.EDGES.full_name} by name select * from exact_edges", name="exact_edges")
    warehouse.run(
        f"insert into {tables.EDGES.full_name} by name select * from model_edges where probability >= $threshold",
        {"threshold": model.threshold},
        name="model_edges",
    )
    _steward(warehouse, steward_links)


def share_values(warehouse: Warehouse) -> None:
    """Write `exact_edges`: who shares a value that is its holder's own."""
    rules = pl.DataFrame({"rule": list(RULE_PROBABILITIES), "probability": list(RULE_PROBABILITIES.values())})
    with warehouse.frame("rule_probabilities", rules):
        warehouse.run(statement("exact_edges"), name="exact_edges")


def describe_components(warehouse: Warehouse) -> None:
    """Write `super_records`, one an exact component: what the model weighs is what shares no exact value."""
    observations = warehouse.query("select observation_id from conformed.observations")
    exact = warehouse.query("select left_id, right_id from exact_edges")
    describe(warehouse, connected_components(observations["observation_id"], exact))


def describe(warehouse: Warehouse, components: pl.DataFrame) -> None:
    """Write `components` and `super_records` for a frame of observation_id, component_id."""
    with warehouse.frame("incoming_components", components):
        warehouse.run("create or replace temp table components as select * from incoming_components")
    warehouse.run(statement("super_records"), name="super_records")


def _steward(warehouse: Warehouse, links: pl.DataFrame) -> None:
    rows = links.select(
        "left_id",
        "right_id",
        kind=pl.lit("steward"),
        rule=pl.lit("link"),
        probability=pl.lit(STEWARD_PROBABILITY),
        weight=pl.lit(STEWARD_WEIGHT),
        evidence=pl.lit(None, pl.String),
        model_version=pl.lit(None, pl.String),
    )
    warehouse.append_rows(tables.EDGES, rows)
