"""The review queue: pairs of profiles that the resolver did not join and that a steward should decide on."""

from __future__ import annotations

import polars as pl

from cdp.warehouse import Warehouse
from identity.sql import statement

MEMBERS = "select observation_id, profile_id from identity.members where valid_to_run is null"
# The traits that a steward compares at a glance.
GOLDEN = """
select profile_id, first_name, last_name, date_of_birth::varchar as date_of_birth, email, phone, street, city, postcode,
    observation_count
from profiles.profiles semi join asked using (profile_id)
"""


def queue(warehouse: Warehouse, decided: pl.DataFrame) -> pl.DataFrame:
    """Pairs of profiles, the most probable first, ties by id, without those that a steward has decided on.

    Args:
        decided: left_id, right_id: pairs of observations.

    Returns:
        queue (refused or grey), reason (the constraint, or the pair's position in the grey zone), rule, probability,
        left_id, right_id, left_profile_id, right_profile_id, edges (how many pieces of evidence support the pair).
    """
    pairs = pl.concat([warehouse.query(statement("refused_pairs")), warehouse.query(statement("grey_zone"))])
    return (
        _by_profiles(pairs)
        .sort("probability", "queue", descending=True, maintain_order=True)
        .unique(["one", "other"], keep="first", maintain_order=True)
        .join(_decided_profiles(warehouse, decided), on=["one", "other"], how="anti", maintain_order="left")
        .drop("one", "other")
        .sort(["probability", "left_id", "right_id"], descending=[True, False, False])
    )


def golden_records(warehouse: Warehouse, pairs: pl.DataFrame) -> pl.DataFrame:
    """The golden records of both sides of `pairs`, for display: profile_id and its traits."""
    asked = pl.DataFrame({"profile_id": pl.concat([pairs["left_profile_id"], pairs["right_profile_id"]]).unique()})
    with warehouse.frame("asked", asked):
        return warehouse.query(GOLDEN)


def _decided_profiles(warehouse: Warehouse, decided: pl.DataFrame) -> pl.DataFrame:
    members = warehouse.query(MEMBERS)
    return _by_profiles(
        decided.join(members, left_on="left_id", right_on="observation_id")
        .rename({"profile_id": "left_profile_id"})
        .join(members, left_on="right_id", right_on="observation_id")
        .rename({"profile_id": "right_profile_id"})
    )


def _by_profiles(pairs: pl.DataFrame) -> pl.DataFrame:
    """Add `one` and `other`, the pair of profiles in a canonical order."""
    return pairs.with_columns(
        one=pl.min_horizontal("left_profile_id", "right_profile_id"),
        other=pl.max_horizontal("left_profile_id", "right_profile_id"),
    )
