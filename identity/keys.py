"""Clusters to profile ids that survive: a pure function of the clusters and the ids given out before.

Old profiles and new clusters are matched by the observations that they share: one to one, the largest overlap
first, then the older id, then the id. A profile that finds no cluster of its own becomes an alias of the one
that holds most of it; a cluster that finds no profile gets a new id, derived from its founding observation.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Assignment:
    """members: observation_id, profile_id. aliases: old_profile_id, profile_id. changes: profile_id,
    other_profile_id, reason."""

    members: pl.DataFrame
    aliases: pl.DataFrame
    changes: pl.DataFrame


def assign(
    clusters: pl.DataFrame, founding: pl.DataFrame, old_members: pl.DataFrame, old_aliases: pl.DataFrame
) -> Assignment:
    """Give each cluster a profile id.

    Args:
        clusters: observation_id, component_id.
        founding: component_id, candidates: the ids that the cluster may take if it is new, best first.
        old_members: observation_id, profile_id, run_id: what was given out; run ids sort by age.
        old_aliases: old_profile_id, profile_id.
    """
    overlaps = _overlaps(clusters, old_members)
    kept = _one_to_one(overlaps)
    fresh = _new_ids(clusters, founding, kept, _ids_ever_given(old_members, old_aliases))
    ids = pl.concat([kept.select("component_id", "profile_id"), fresh])
    members = clusters.join(ids, on="component_id").select("observation_id", "profile_id").sort("observation_id")
    retired = _retired(old_members, overlaps, ids)
    aliases = _flattened(old_aliases, retired, ids)
    changes = _changes(fresh, overlaps, ids, retired)
    return Assignment(members, aliases, changes)


def _overlaps(clusters: pl.DataFrame, old_members: pl.DataFrame) -> pl.DataFrame:
    """component_id, profile_id, overlap, oldest_run: largest overlap first, then the older id, then the id."""
    age = old_members.group_by("profile_id").agg(pl.col("run_id").min().alias("oldest_run"))
    return (
        clusters.join(old_members, on="observation_id")
        .group_by("component_id", "profile_id")
        .agg(pl.len().alias("overlap"))
        .join(age, on="profile_id")
        .sort(
            ["overlap", "oldest_run", "profile_id", "component_id"],
            descending=[True, False, False, False],
        )
    )


def _one_to_one(overlaps: pl.DataFrame) -> pl.DataFrame:
    """Greedy matching in rounds: what is first for both its cluster and its profile is taken."""
    open_pairs, taken = overlaps.with_row_index("rank"), []
    while not open_pairs.is_empty():
        best = open_pairs.filter(
            (pl.col("rank") == pl.col("rank").min().over("component_id"))
            & (pl.col("rank") == pl.col("rank").min().over("profile_id"))
        )
        taken.append(best)
        open_pairs = open_pairs.join(best, on="component_id", how="anti").join(best, on="profile_id", how="anti")
    empty = overlaps.with_row_index("rank").clear()
    return pl.concat([empty, *taken]).select("component_id", "profile_id")


def _ids_ever_given(old_members: pl.DataFrame, old_aliases: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(
        [
            old_members.select("profile_id"),
            old_aliases.select("profile_id"),
            old_aliases.select(pl.col("old_profile_id").alias("profile_id")),
        ]
    ).unique()


def _new_ids(clusters: pl.DataFrame, founding: pl.DataFrame, kept: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """component_id, profile_id of clusters that kept none: the first candidate that was never given out."""
    new = clusters.select("component_id").unique().join(kept, on="component_id", how="anti")
    return (
        new.join(founding, on="component_id")
        .explode("candidates")
        .rename({"candidates": "profile_id"})
        .join(given, on="profile_id", how="anti", maintain_order="left")
        .group_by("component_id", maintain_order=True)
        .first()
        .select("component_id", "profile_id")
    )


def _retired(old_members: pl.DataFrame, overlaps: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """profile_id that no cluster bears any more, survivor: whoever holds most of it (null if nobody does)."""
    survivors = (
        overlaps.join(ids.rename({"profile_id": "survivor"}), on="component_id", maintain_order="left")
        .group_by("profile_id", maintain_order=True)
        .agg(pl.col("survivor").first())
    )
    return (
        old_members.select("profile_id")
        .unique()
        .join(ids, on="profile_id", how="anti")
        .join(survivors, on="profile_id", how="left")
        .sort("profile_id")
    )


def _flattened(old_aliases: pl.DataFrame, retired: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """Aliases after this run; one whose survivor retired follows it, one that lives again is dropped."""
    fresh = retired.filter(pl.col("survivor").is_not_null()).select(old_profile_id="profile_id", profile_id="survivor")
    followed = old_aliases.join(
        fresh.rename({"old_profile_id": "profile_id", "profile_id": "survivor"}), on="profile_id", how="left"
    ).select("old_profile_id", profile_id=pl.coalesce("survivor", "profile_id"))
    return (
        pl.concat([followed.join(fresh, on="old_profile_id", how="anti"), fresh])
        .join(ids, left_on="old_profile_id", right_on="profile_id", how="anti")
        .join(ids, on="profile_id", how="semi")
        .sort("old_profile_id")
    )


def _changes(fresh: pl.DataFrame, overlaps: pl.DataFrame, ids: pl.DataFrame, retired: pl.DataFrame) -> pl.DataFrame:
    """profile_id, other_profile_id, reason."""
    parents = overlaps.group_by("component_id", maintain_order=True).agg(
        pl.col("profile_id").first().alias("other_profile_id")
    )
    born = fresh.join(parents, on="component_id", how="left").select(
        "profile_id",
        "other_profile_id",
        reason=pl.when(pl.col("other_profile_id").is_null()).then(pl.lit("created")).otherwise(pl.lit("split")),
    )
    gone = retired.select(
        "profile_id",
        pl.col("survivor").alias("other_profile_id"),
        reason=pl.when(pl.col("survivor").is_null()).then(pl.lit("retired")).otherwise(pl.lit("merged")),
    )
    return pl.concat([born, gone]).sort("profile_id")
