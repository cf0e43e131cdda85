"""Preview of another model: the published observations are resolved again in memory; nothing is published."""

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
    """Resolve the published observations under `model` with the store's ids and decisions, as the next run would."""
    with scratch_copy(published) as scratch:
        resolve(scratch, known, model, patterns, run_id=RUN_ID)
        return compare_members(published.query(CURRENT), scratch.query(CURRENT))


@dataclass(frozen=True)
class Preview:
    """The changes to profiles.

    profiles_before, profiles_after: numbers of profiles. moved: number of observations whose profile id changes.
    merges: profile_id (the future one), from_profile_id, observations. splits: profile_id (the current one),
    to_profile_id, observations. The rows of a profile are adjacent, the largest profile first.
    """

    profiles_before: int
    profiles_after: int
    moved: int
    merges: pl.DataFrame
    splits: pl.DataFrame

    def as_document(self) -> dict[str, Any]:
        """The changes as a JSON-ready document."""
        return {
            "profiles": {"before": self.profiles_before, "after": self.profiles_after},
            "merged": self.merges["profile_id"].n_unique(),
            "split": self.splits["profile_id"].n_unique(),
            "observations_moved": self.moved,
            "merges": _nested(self.merges, "from_profile_id", "profiles"),
            "splits": _nested(self.splits, "to_profile_id", "parts"),
        }


def compare_members(before: pl.DataFrame, after: pl.DataFrame) -> Preview:
    """Compare two assignments of observations to profiles: frames of observation_id, profile_id."""
    moves = before.join(after.rename({"profile_id": "later_id"}), on="observation_id")
    shared = moves.group_by("profile_id", "later_id").agg(pl.len().alias("observations"))
    return Preview(
        profiles_before=before["profile_id"].n_unique(),
        profiles_after=after["profile_id"].n_unique(),
        moved=moves.filter(pl.col("profile_id") != pl.col("later_id")).height,
        merges=_several(
            shared.select(profile_id="later_id", from_profile_id="profile_id", observations="observations")
        ),
        splits=_several(shared.rename({"later_id": "to_profile_id"})),
    )


def _several(shared: pl.DataFrame) -> pl.DataFrame:
    """The rows of profiles with more than one row, the largest profile first."""
    other = next(name for name in shared.columns if name not in ("profile_id", "observations"))
    total = pl.col("observations").sum().over("profile_id")
    return (
        shared.filter(pl.len().over("profile_id") > 1)
        .with_columns(total=total)
        .sort(["total", "profile_id", "observations", other], descending=[True, False, True, False])
        .drop("total")
    )


def _nested(rows: pl.DataFrame, other: str, name: str) -> list[dict[str, Any]]:
    """One document per profile, with the profiles that it is merged from or split into."""
    return [
        {
            "profile_id": profile_id,
            "observations": group["observations"].sum(),
            name: group.select(pl.col(other).alias("profile_id"), "observations").to_dicts(),
        }
        for (profile_id,), group in rows.group_by("profile_id", maintain_order=True)
    ]
