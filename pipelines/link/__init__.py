"""Linking: decide which observations belong to the same person. The work is done in `identity/`, in three stages: find
the pairs to compare, train a model if these data need one, link.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from cdp.people.live_layer import known_live_members
from cdp.people.published import known_aliases, known_former_members, known_members, known_profile_changes
from cdp.people.stewards import standing_steward_decisions
from cdp.store import Store
from cdp.warehouse import Warehouse
from identity.candidates import find_candidates
from identity.model import Model
from identity.resolve import Known, Resolution, assign_profiles
from identity.state import rules_digest
from identity.train import UNTRAINED, train_or_keep, why_train
from pipelines.statements import statement


@dataclass(frozen=True)
class Matching:
    """The pairs found, and why a model must be trained on them first; None if the one in use fits."""

    pairs: int
    training_reason: str | None = None


NOTHING_MATCHED = Matching(0)


def match(warehouse: Warehouse, model: Model, patterns: pl.DataFrame, *, is_pinned: bool) -> Matching:
    """Join what shares an identifier, and find the pairs for a model to compare.

    Args:
        patterns: patterns of junk and generic values, as for `identity.resolve.resolve`.
        is_pinned: the model is to be used, whatever the data.
    """
    reason = None if is_pinned else why_train(warehouse, model)
    find_candidates(warehouse, patterns, rules=UNTRAINED if reason else rules_digest(model, patterns))
    return Matching(warehouse.count("candidate_pairs"), reason)


def train(warehouse: Warehouse, model: Model, patterns: pl.DataFrame) -> Model:
    """A model trained on the pairs of `match`, or else `model`, if they are too few."""
    return train_or_keep(warehouse, model, patterns)


def link(warehouse: Warehouse, store: Store, model: Model, *, run_id: str) -> Resolution:
    """Write the tables of `identity`, and the temporary view `people` (observation_id, profile_id)."""
    known = _with_live(remembered(store), store, warehouse, run_id=run_id)
    resolution = assign_profiles(warehouse, known, model, run_id=run_id)
    warehouse.run(statement("link/people"), name="people")
    return resolution


def remembered(store: Store) -> Known:
    """The identities in the store: assigned ids and the stewards' decisions."""
    with store.read() as connection:
        standing = standing_steward_decisions(connection)
        return Known(
            members=known_members(connection),
            former_members=known_former_members(connection),
            aliases=known_aliases(connection).select("old_profile_id", "profile_id"),
            changes=known_profile_changes(connection).drop("seq"),
            links=standing.filter(pl.col("kind") == "link").select("left_id", "right_id"),
            unlinks=standing.filter(pl.col("kind") == "unlink").select("left_id", "right_id"),
        )


def _with_live(known: Known, store: Store, warehouse: Warehouse, *, run_id: str) -> Known:
    """`known`, with the profile ids that were assigned live to observations that this run has landed.

    The live members are read after the inbox, so every landed row's are included; those of later rows wait for their
    run. An observation that was attached live to a known profile has no claim to that profile's id: the evidence
    decides.
    """
    with store.read() as connection:
        met = known_live_members(connection)
    landed = warehouse.query("select observation_id from conformed.observations")
    given = (
        met.join(landed, on="observation_id", how="semi")
        .join(known.members, on="observation_id", how="anti")
        .join(known.members, on="profile_id", how="anti")
        .with_columns(run_id=pl.lit(run_id))
    )
    created = (
        given.select("profile_id")
        .unique()
        .sort("profile_id")
        .with_columns(other_profile_id=pl.lit(None, pl.String), reason=pl.lit("created"), run_id=pl.lit(run_id))
    )
    return replace(known, members=pl.concat([known.members, given]), changes=pl.concat([known.changes, created]))
