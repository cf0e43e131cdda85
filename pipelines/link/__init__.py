"""Linking: which observations are one person. The work is done in `identity/`; this is its stage."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from cdp.people.live_layer import known_live_members
from cdp.people.published import known_aliases, known_former_members, known_members, known_profile_changes
from cdp.people.stewards import standing_steward_decisions
from cdp.store import Store
from cdp.warehouse import Warehouse
from identity.model import Model
from identity.resolve import Known, Resolution, resolve
from pipelines.statements import statement


def link(warehouse: Warehouse, store: Store, model: Model, patterns: pl.DataFrame, *, run_id: str) -> Resolution:
    """Write the tables of `identity`, and the temporary view `people` (observation_id, profile_id).

    Args:
        patterns: values that are junk or generic by their looks, as `identity.resolve.resolve` takes them.
    """
    known = _with_live(remembered(store), store, warehouse, run_id=run_id)
    resolution = resolve(warehouse, known, model, patterns, run_id=run_id)
    warehouse.run(statement("link/people"), name="people")
    return resolution


def remembered(store: Store) -> Known:
    """What the store knows of identities: the ids given out and what stewards have decided."""
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
    """`known`, with the profile ids that were given out live, as far as this run has landed their observations.

    They are read after the inbox was: every landed row's are there. Those of rows that came later wait for their run.
    An observation that was put with somebody known is no claim to that one's id: the evidence decides.
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
