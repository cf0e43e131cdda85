"""Evidence that two observations are one person: shared values, the model's scores, stewards' links.

identity.edges is updated incrementally: edges of touched values and rescored super-records are made again, and the
observations whose evidence changed are added to `touched`.
"""

from __future__ import annotations

import polars as pl

from cdp import tables
from cdp.channels import PLATFORM_ID_TYPES
from cdp.warehouse import Warehouse
from identity.linker import score
from identity.model import REVIEW_PROBABILITY, Model
from identity.sql import statement

# How far each rule is trusted: the probability that the two observations it joins are one person. Where a constraint
# forbids a cluster, the less trusted edge gives way.
RULE_PROBABILITIES = {
    "customer_id": 0.9999,
    "email": 0.999,
    **dict.fromkeys(PLATFORM_ID_TYPES, 0.999),
    "phone": 0.998,
    "anonymous_id": 0.997,
    "device_token": 0.995,
    "email+name": 0.995,
    "phone+name": 0.993,
}
STEWARD_PROBABILITY = 0.999999
STEWARD_WEIGHT = 20.0

OF_TOUCHED_VALUES = "select e.rowid as row_number, e.* from identity.edges e semi join touched_values using (evidence)"
OF_RESCORED = (
    "select rowid as row_number, * from identity.{table} where {condition} "
    "(left_id in (select unique_id from rescored) or right_id in (select unique_id from rescored))"
)
OF_STEWARDS = "select rowid as row_number, * from identity.edges where kind = 'steward'"
# A changed mapping may have removed an observation that a steward's link names.
STANDING_LINKS = """
from steward_links
where left_id in (select observation_id from conformed.observations)
    and right_id in (select observation_id from conformed.observations)
"""


def join_shared_values(warehouse: Warehouse) -> None:
    """Join the observations that share a touched value which belongs to one person."""
    rules = pl.DataFrame({"rule": list(RULE_PROBABILITIES), "probability": list(RULE_PROBABILITIES.values())})
    with warehouse.frame("rule_probabilities", rules):
        warehouse.run(statement("exact_edges"), name="exact_edges")
    _exchange(warehouse, OF_TOUCHED_VALUES, "from exact_edges")


def score_candidates(warehouse: Warehouse, model: Model) -> None:
    """Score `candidate_pairs` with the model. Pairs at or above its threshold become edges; doubtful ones go to
    identity.grey_pairs for a steward."""
    # Splink does not accept qualified table names.
    warehouse.run("create or replace temp view super_records as from resolver.super_records", name="super_records")
    score(warehouse, "super_records", model, threshold=REVIEW_PROBABILITY)
    warehouse.run(statement("model_edges"), {"version": model.version}, name="model_edges")
    is_sure = f"probability >= {model.threshold}"
    _exchange(
        warehouse,
        OF_RESCORED.format(table="edges", condition="kind = 'model' and"),
        f"from model_edges where {is_sure}",
    )
    warehouse.run(
        "delete from identity.grey_pairs where rowid in "
        f"(select row_number from ({OF_RESCORED.format(table='grey_pairs', condition='')}))",
        name=tables.GREY_PAIRS.full_name,
    )
    warehouse.run(
        f"insert into identity.grey_pairs by name select * exclude (kind, rule) from model_edges where not ({is_sure})",
        name=tables.GREY_PAIRS.full_name,
    )


def apply_decisions(warehouse: Warehouse, links: pl.DataFrame, unlinks: pl.DataFrame) -> None:
    """Join what stewards have linked, and touch the observations of new and withdrawn unlinks.

    Args:
        links, unlinks: left_id, right_id.
    """
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
    with warehouse.frame("steward_links", rows):
        _exchange(warehouse, OF_STEWARDS, STANDING_LINKS)
    with warehouse.frame("standing_unlinks", unlinks.select("left_id", "right_id")):
        warehouse.run(statement("unlinks"), name="resolver.unlinks")


def _exchange(warehouse: Warehouse, leaving: str, coming: str) -> None:
    """Replace the edges `leaving` by the edges `coming`, and touch the ends of those that differ."""
    warehouse.run(f"create or replace temp table leaving as {leaving}", name="edges to remove")
    warehouse.run(f"create or replace temp table coming as {coming}", name="edges to add")
    warehouse.run(statement("exchanged_edges"), name=tables.EDGES.full_name)
