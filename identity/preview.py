"""What another model would change: the published observations resolved again in memory, nothing published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from cdp.warehouse import Warehouse
from identity.model import Model
from identity.resolve import Known, resolve
from identity.scratch import scratch_copy

RUN_ID = "run_20000101T000000_000000"
CURRENT = "select observation_id, profile_id from identity.members where valid_to_run is null"


def preview(published: Warehouse, known: Known, model: Model, patterns: pl.DataFrame) -> Preview:
    """Resolve the published observations under `model`, with what the store remembers, as the next run would."""
    with scratch_copy(published) as scratch:
        resolve(scratch, known, model, patterns, run_id=RUN_ID)
        return compare_members(published.query(CURRENT), scratch.query(CURRENT))


@dataclass(frozen=True)
class Preview:
    """What becomes of the profiles.

    profiles_before, profiles_after: how many there are. moved: observations whose profile id changes.
    merges: profile_id (as it would be), from_profile_id, observations. splits: profile_id (as it is), to_profile_id,
    observations. Rows of one profile stand together, the largest profile first.
    """

    profiles_before: int
    profiles_after: int
    moved: int
    merges: pl.DataFrame
    splits: pl.DataFrame

    def as_document(self) -> dict[str, Any]:
        """The changes as one JSON-ready document."""
        return {
            "profiles": {"before": self.profiles_before, "after": self.profiles_after},
            "merged": self.merges["profile_id"].n_unique(),
            "split": self.splits["profile_id"].n_unique(),
            "observations_moved": self.moved,
            "merges": _nested(self.merges, "from_profile_id", "profiles"),
            "splits": _nested(self.splits, "to_profile_id", "parts"),
        }


def compare_members(before: pl.DataFrame, after: pl.DataFrame) -> Preview:
    """Compare the places of observations: frames of observation_id, profile_id."""
    places = before.join(after.rename({"profile_id": "later_id"}), on="observation_id")
    shared = places.group_by("profile_id", "later_id").agg(pl.len().alias("observations"))
    return Preview(
        profiles_before=before["profile_id"].n_unique(),
        profiles_after=after["profile_id"].n_unique(),
        moved=places.filter(pl.col("profile_id") != pl.col("later_id")).height,
        merges=_several(
            shared.select(profile_id="later_id", from_profile_id="profile_id", observations="observations")
        ),
        splits=_several(shared.rename({"later_id": "to_profile_id"})),
    )


def _several(shared: pl.DataFrame) -> pl.DataFrame:
    """The rows of those profiles that have more than one, the largest profile first."""
    other = next(name for name in shared.columns if name not in ("profile_id", "observations"))
    total = pl.col("observations").sum().over("profile_id")
    return (
        shared.filter(pl.len().over("profile_id") > 1)
        .with_columns(total=total)
        .sort(["total", "profile_id", "observations", other], descending=[True, False, True, False])
        .drop("total")
    )


def _nested(rows: pl.DataFrame, other: str, name: str) -> list[dict[str, Any]]:
    """One document a profile, with those that it comes from or goes to."""
    return [
        {
            "profile_id": profile_id,
            "observations": group["observations"].sum(),
            name: group.select(pl.col(other).alias("profile_id"), "observations").to_dicts(),
        }
        for (profile_id,), group in rows.group_by("profile_id", maintain_order=True)
    ]
