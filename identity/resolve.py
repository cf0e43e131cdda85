"""Resolution: observations in, profile ids out. Reads `conformed`, writes `identity`."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cdp import tables
from cdp.warehouse import Warehouse
from identity import edges
from identity.candidates import find_candidates
from identity.clusters import cluster
from identity.keys import Assignment, IssuedIds, assign
from identity.model import Model
from identity.sql import statement
from identity.state import rules_digest


@dataclass(frozen=True)
class Known:
    """What the store remembers: issued ids, retired ids and stewards' decisions.

    members: observation_id, profile_id, run_id. former_members: observation_id, profile_id, from_run_id, run_id.
    aliases: old_profile_id, profile_id. changes: profile_id, other_profile_id, reason, run_id. links, unlinks: left_id,
    right_id.
    """

    members: pl.DataFrame
    former_members: pl.DataFrame
    aliases: pl.DataFrame
    changes: pl.DataFrame
    links: pl.DataFrame
    unlinks: pl.DataFrame


def _empty(*columns: str) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


NOTHING_KNOWN = Known(
    members=_empty("observation_id", "profile_id", "run_id"),
    former_members=_empty("observation_id", "profile_id", "from_run_id", "run_id"),
    aliases=_empty("old_profile_id", "profile_id"),
    changes=_empty("profile_id", "other_profile_id", "reason", "run_id"),
    links=_empty("left_id", "right_id"),
    unlinks=_empty("left_id", "right_id"),
)


@dataclass(frozen=True)
class Resolution:
    """The number of profiles, and how many were merged and split."""

    profiles: int
    merges: int
    splits: int


NOTHING_RESOLVED = Resolution(0, 0, 0)

FEATURES = """
select observation_id, if(is_no_name(f.given_name), null, f.given_name) as given_name, f.given_forms, f.surname,
    f.date_of_birth, f.suffix, f.customer, o.is_claim
from resolver.features f
semi join region using (observation_id)
join conformed.observations o using (observation_id)
"""
EDGES = """
select left_id, right_id, kind, rule, probability, weight, evidence
from identity.edges where left_id in (select observation_id from region)
"""


def resolve(warehouse: Warehouse, known: Known, model: Model, patterns: pl.DataFrame, *, run_id: str) -> Resolution:
    """Resolve all observations: update the tables of `identity`.

    Incremental: observations that changed since the last resolution with the same rules, and all that evidence
    connects to them, are examined again. In a new warehouse, or with new rules, that is everything.

    Args:
        patterns: patterns of junk and generic values: type, pattern, quality, reason.
    """
    find_candidates(warehouse, patterns, rules=rules_digest(model, patterns))
    return assign_profiles(warehouse, known, model, run_id=run_id)


def assign_profiles(warehouse: Warehouse, known: Known, model: Model, *, run_id: str) -> Resolution:
    """Score the pairs of `find_candidates`, cluster what evidence connects, and update the tables of `identity`."""
    edges.score_candidates(warehouse, model)
    edges.apply_decisions(warehouse, known.links, known.unlinks)
    with warehouse.frame("known_members", known.members):
        warehouse.run(statement("displaced"), name="touched")
    warehouse.run(statement("region"), name="region")
    clustering = cluster(warehouse.query(FEATURES), warehouse.query(EDGES), known.unlinks)
    with warehouse.frame("newly_linked", clustering.linked):
        warehouse.run(statement("linked"), name="resolver.linked")
    with warehouse.frame("incoming_clusters", clustering.clusters):
        warehouse.run("create or replace temp table clusters as select * from incoming_clusters")
    region = warehouse.query("from region")
    issued = IssuedIds(
        members=known.members.join(region, on="observation_id", how="semi"),
        former_members=known.former_members,
        aliases=known.aliases,
        elsewhere=known.members.join(region, on="observation_id", how="anti").select("profile_id").unique(),
    )
    assignment = assign(clustering.clusters, warehouse.query(statement("founding")), issued)
    _write(warehouse, known, assignment, clustering.refusals, run_id)
    reasons = assignment.changes["reason"]
    return Resolution(
        profiles=assignment.members["profile_id"].n_unique() + issued.elsewhere.height,
        merges=int((reasons == "merged").sum()),
        splits=int((reasons == "split").sum()),
    )


def _write(warehouse: Warehouse, known: Known, assignment: Assignment, refusals: pl.DataFrame, run_id: str) -> None:
    with (
        warehouse.frame("new_members", assignment.members),
        warehouse.frame("known_members", known.members),
        warehouse.frame("former_members", known.former_members),
    ):
        warehouse.run(statement("places"), {"run_id": run_id}, name="places")
    warehouse.run(statement("members"), name="identity.members")
    warehouse.replace_rows(tables.ALIASES, assignment.aliases)
    changes = assignment.changes.with_columns(run_id=pl.lit(run_id))
    warehouse.replace_rows(tables.PROFILE_CHANGES, pl.concat([known.changes, changes], how="diagonal_relaxed"))
    with warehouse.frame("new_refusals", refusals):
        warehouse.run(statement("refusals"), name="identity.refusals")
