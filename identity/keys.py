"""Stable profile ids for clusters: a pure function of the clusters and the ids issued before.

Old profiles and new clusters are matched one to one by the observations that they share: the largest overlap first,
then the older id, then the id. A profile without a cluster becomes an alias of the profile that holds most of it. A
cluster without a profile gets back a retired id if it holds most of what that id once meant, or else a new id derived
from its founding observation.
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


@dataclass(frozen=True)
class IssuedIds:
    """The profile ids issued before.

    members: observation_id, profile_id, run_id of the observations to assign; run ids sort by age. former_members:
    observation_id, profile_id of all memberships that have ended. aliases: old_profile_id, profile_id. elsewhere:
    profile_id of the profiles of all other observations.
    """

    members: pl.DataFrame
    former_members: pl.DataFrame
    aliases: pl.DataFrame
    elsewhere: pl.DataFrame


def assign(clusters: pl.DataFrame, founding: pl.DataFrame, issued: IssuedIds) -> Assignment:
    """Give each cluster a profile id.

    Args:
        clusters: observation_id, component_id. They contain all members of a profile or none.
        founding: component_id, candidates: the ids that the cluster may take if it is new, best first.
    """
    overlaps = _overlaps(clusters, issued.members)
    kept = _one_to_one(overlaps)
    restored = _restored(clusters, kept, issued)
    named = pl.concat([kept, restored])
    fresh = pl.concat([restored, _new_ids(clusters, founding, named, _ids_ever_issued(issued))])
    ids = pl.concat([kept, fresh])
    members = clusters.join(ids, on="component_id").select("observation_id", "profile_id").sort("observation_id")
    retired = _retired(issued.members, overlaps, ids)
    aliases = _flattened(issued, retired, ids)
    changes = _changes(fresh, overlaps, ids, retired)
    return Assignment(members, aliases, changes)


def _overlaps(clusters: pl.DataFrame, old_members: pl.DataFrame) -> pl.DataFrame:
    """component_id, profile_id, overlap, oldest_run, since: the largest overlap first, then the older id, then the
    longest membership, then the id."""
    age = old_members.group_by("profile_id").agg(pl.col("run_id").min().alias("oldest_run"))
    return (
        clusters.join(old_members, on="observation_id")
        .group_by("component_id", "profile_id")
        .agg(pl.len().alias("overlap"), pl.col("run_id").min().alias("since"))
        .join(age, on="profile_id")
        .sort(
            ["overlap", "oldest_run", "since", "profile_id", "component_id"],
            descending=[True, False, False, False, False],
        )
    )


def _one_to_one(overlaps: pl.DataFrame) -> pl.DataFrame:
    """Greedy matching in rounds: take each pair that ranks first for both its cluster and its profile."""
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


def _restored(clusters: pl.DataFrame, kept: pl.DataFrame, issued: IssuedIds) -> pl.DataFrame:
    """component_id, profile_id: retired ids to restore, because most of the observations that each once had are
    together again in a cluster that kept no id. So undoing a merge restores both ids."""
    formerly = issued.former_members.select("observation_id", "profile_id").unique()
    returning = (
        clusters.join(kept, on="component_id", how="anti")
        .join(formerly, on="observation_id")
        .join(kept, on="profile_id", how="anti")
        .join(issued.elsewhere, on="profile_id", how="anti")
        .group_by("component_id", "profile_id")
        .agg(pl.len().alias("overlap"))
    )
    meant = formerly.join(returning, on="profile_id", how="semi").group_by("profile_id").agg(pl.len().alias("meant"))
    return _one_to_one(
        returning.join(meant, on="profile_id")
        .filter(pl.col("overlap") * 2 > pl.col("meant"))
        .sort(["overlap", "profile_id", "component_id"], descending=[True, False, False])
    )


def _ids_ever_issued(issued: IssuedIds) -> pl.DataFrame:
    return pl.concat(
        [
            issued.members.select("profile_id"),
            issued.elsewhere.select("profile_id"),
            issued.aliases.select("profile_id"),
            issued.aliases.select(pl.col("old_profile_id").alias("profile_id")),
        ]
    ).unique()


def _new_ids(clusters: pl.DataFrame, founding: pl.DataFrame, named: pl.DataFrame, issued: pl.DataFrame) -> pl.DataFrame:
    """component_id, profile_id of clusters without an id: the first candidate that was never issued."""
    new = clusters.select("component_id").unique().join(named, on="component_id", how="anti")
    return (
        new.join(founding, on="component_id")
        .explode("candidates")
        .rename({"candidates": "profile_id"})
        .join(issued, on="profile_id", how="anti", maintain_order="left")
        .group_by("component_id", maintain_order=True)
        .first()
        .select("component_id", "profile_id")
    )


def _retired(old_members: pl.DataFrame, overlaps: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """profile_id that no cluster has any more, survivor: the profile that holds most of it (null if none does)."""
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


def _flattened(issued: IssuedIds, retired: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """The aliases after this run: repointed if their survivor was retired, dropped if their own id is in use again."""
    in_force = pl.concat([ids.select("profile_id"), issued.elsewhere.select("profile_id")])
    fresh = retired.filter(pl.col("survivor").is_not_null()).select(old_profile_id="profile_id", profile_id="survivor")
    followed = issued.aliases.join(
        fresh.rename({"old_profile_id": "profile_id", "profile_id": "survivor"}), on="profile_id", how="left"
    ).select("old_profile_id", profile_id=pl.coalesce("survivor", "profile_id"))
    return (
        pl.concat([followed.join(fresh, on="old_profile_id", how="anti"), fresh])
        .join(in_force, left_on="old_profile_id", right_on="profile_id", how="anti")
        .join(in_force, on="profile_id", how="semi")
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
