"""Evidence that two observations are one person: exact values, the model's judgement, a steward's word.

identity.edges is brought up to date: what stems from a touched value or a rescored super-record is made again, and
whose evidence differs from before is `touched`.
"""

from __future__ import annotations

import polars as pl

from cdp import tables
from cdp.warehouse import Warehouse
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

OF_TOUCHED_VALUES = "select e.rowid as row_number, e.* from identity.edges e semi join touched_values using (evidence)"
OF_RESCORED = (
    "select rowid as row_number, * from identity.{table} where {condition} "
    "(left_id in (select unique_id from rescored) or right_id in (select unique_id from rescored))"
)
OF_STEWARDS = "select rowid as row_number, * from identity.edges where kind = 'steward'"
# A changed mapping may have done away with an observation that a steward has spoken of.
STANDING_LINKS = """
from steward_links
where left_id in (select observation_id from conformed.observations)
    and right_id in (select observation_id from conformed.observations)
"""


def share_values(warehouse: Warehouse) -> None:
    """Join who shares a touched value that is its holder's own."""
    rules = pl.DataFrame({"rule": list(RULE_PROBABILITIES), "probability": list(RULE_PROBABILITIES.values())})
    with warehouse.frame("rule_probabilities", rules):
        warehouse.run(statement("exact_edges"), name="exact_edges")
    _exchange(warehouse, OF_TOUCHED_VALUES, "from exact_edges")


def weigh(warehouse: Warehouse, model: Model) -> None:
    """Let the model weigh `candidate_pairs`: what it is sure of joins, what is doubtful waits for a steward
    (identity.grey_pairs)."""
    # Splink knows tables by their bare names.
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


def obey(warehouse: Warehouse, links: pl.DataFrame, unlinks: pl.DataFrame) -> None:
    """Join what stewards have linked, and touch what they have parted or no longer part: left_id, right_id."""
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
    """Put the edges `coming` in the place of those `leaving` and touch the ends of what differs."""
    warehouse.run(f"create or replace temp table leaving as {leaving}", name="edges that leave")
    warehouse.run(f"create or replace temp table coming as {coming}", name="edges that come")
    warehouse.run(statement("exchanged_edges"), name=tables.EDGES.full_name)
