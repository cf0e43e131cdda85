"""Linking: which observations are one person. The work is done in `identity/`; this is its stage."""

from __future__ import annotations

import polars as pl

from cdp.store import Store
from cdp.store.profiles import known_aliases, known_former_members, known_members, known_profile_changes
from cdp.store.stewards import known_steward_decisions
from cdp.warehouse import Warehouse
from identity.model import Model
from identity.resolve import Known, Resolution, resolve

CURRENT_MEMBERS = """
create or replace temp view people as
select observation_id, profile_id from identity.members where valid_to_run is null
"""


def link(warehouse: Warehouse, known: Known, model: Model, patterns: pl.DataFrame, *, run_id: str) -> Resolution:
    """Write the tables of `identity`, and the temporary view `people` (observation_id, profile_id)."""
    resolution = resolve(warehouse, known, model, patterns, run_id=run_id)
    warehouse.run(CURRENT_MEMBERS, name="people")
    return resolution


def remembered(store: Store) -> Known:
    """What the store knows of identities: the ids given out and what stewards have decided."""
    with store.read() as connection:
        standing = _standing(known_steward_decisions(connection))
        return Known(
            members=known_members(connection),
            former_members=known_former_members(connection),
            aliases=known_aliases(connection).select("old_profile_id", "profile_id"),
            changes=known_profile_changes(connection).drop("seq"),
            links=standing.filter(pl.col("kind") == "link").select("left_id", "right_id"),
            unlinks=standing.filter(pl.col("kind") == "unlink").select("left_id", "right_id"),
        )


def _standing(decisions: pl.DataFrame) -> pl.DataFrame:
    """The last decision on each pair, whichever way round it was named."""
    pair = {
        "one": pl.min_horizontal("left_id", "right_id"),
        "other": pl.max_horizontal("left_id", "right_id"),
    }
    return decisions.with_columns(**pair).unique(["one", "other"], keep="last", maintain_order=True)
