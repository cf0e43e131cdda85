"""Edges and constraints to clusters: a pure function, so that no arrival order can matter.

Connected components first. A component that breaks a constraint is rebuilt alone, from its strongest edges
down, refusing each union that would break one; the refusals are the review queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components as _label_components

from identity.names import alike

# A component is rebuilt along a steward's word first, then along what is shared, then along what is alike; within
# one kind by weight.
STRENGTH = {"steward": 0, "exact": 1, "model": 2}

REFUSAL_SCHEMA = pl.Schema(
    {
        "left_id": pl.String,
        "right_id": pl.String,
        "rule": pl.String,
        "probability": pl.Float64,
        "constraint": pl.String,
    }
)


@dataclass(frozen=True)
class Clustering:
    """clusters: observation_id, component_id (its smallest observation id). refusals: the forbidden edges."""

    clusters: pl.DataFrame
    refusals: pl.DataFrame


def connected_components(nodes: pl.Series, edges: pl.DataFrame) -> pl.DataFrame:
    """Frame of observation_id, component_id: the smallest observation id that a chain of edges leads to.

    Args:
        nodes: all observation ids.
        edges: left_id, right_id.
    """
    ids = nodes.sort()
    position = pl.DataFrame({"id": ids}).with_row_index("position")
    ends = edges.select(left=_positions(edges["left_id"], position), right=_positions(edges["right_id"], position))
    shape = (len(ids), len(ids))
    links = coo_matrix((np.ones(len(ends), np.int8), (ends["left"].to_numpy(), ends["right"].to_numpy())), shape)
    _, labels = _label_components(links, directed=False)
    return pl.DataFrame({"observation_id": ids, "label": labels}).select(
        "observation_id", component_id=pl.col("observation_id").min().over("label")
    )


def cluster(observations: pl.DataFrame, edges: pl.DataFrame, unlinked: pl.DataFrame) -> Clustering:
    """Cluster observations by their edges so that no cluster breaks a constraint.

    Args:
        observations: observation_id, given_name, given_forms, date_of_birth, suffix.
        edges: left_id, right_id, kind, rule, probability, weight.
        unlinked: left_id, right_id: pairs that a steward has parted.
    """
    components = connected_components(observations["observation_id"], edges)
    broken = _broken_components(components, observations, unlinked)
    if broken.is_empty():
        return Clustering(components, pl.DataFrame(schema=REFUSAL_SCHEMA))
    suspects = components.join(broken, on="component_id", how="semi")
    inside = edges.join(suspects, left_on="left_id", right_on="observation_id", how="semi")
    rebuilt, refusals = _rebuild(observations.join(suspects, on="observation_id", how="semi"), inside, unlinked)
    whole = components.join(broken, on="component_id", how="anti")
    return Clustering(pl.concat([whole, rebuilt]).sort("observation_id"), refusals)


def _positions(ids: pl.Series, position: pl.DataFrame) -> pl.Series:
    return ids.to_frame("id").join(position, on="id", how="left", maintain_order="left")["position"]


def _broken_components(components: pl.DataFrame, observations: pl.DataFrame, unlinked: pl.DataFrame) -> pl.DataFrame:
    """The components that might break a constraint: a superset, found set-wise."""
    described = components.join(observations, on="observation_id")
    crowded = (
        described.group_by("component_id")
        .agg(
            pl.col("given_name").drop_nulls().n_unique().alias("given_names"),
            pl.col("date_of_birth").drop_nulls().n_unique().alias("birthdays"),
            pl.col("suffix").drop_nulls().n_unique().alias("suffixes"),
        )
        .filter((pl.col("given_names") > 1) | (pl.col("birthdays") > 1) | (pl.col("suffixes") > 1))
        .select("component_id")
    )
    left = unlinked.join(components, left_on="left_id", right_on="observation_id")
    parted = (
        left.join(components, left_on="right_id", right_on="observation_id", suffix="_right")
        .filter(pl.col("component_id") == pl.col("component_id_right"))
        .select("component_id")
    )
    return pl.concat([crowded, parted]).unique()


@dataclass
class _Group:
    """A cluster in the making, with what constraints look at."""

    members: list[str]
    given: dict[str, frozenset[str]] = field(default_factory=dict)
    birthdays: set[str] = field(default_factory=set)
    suffixes: set[str] = field(default_factory=set)
    parted_from: set[str] = field(default_factory=set)


def _rebuild(
    observations: pl.DataFrame, edges: pl.DataFrame, unlinked: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Unite along edges, strongest first, ties by id. A union depends on the ones before it, so this is a loop;
    it runs over suspect components only."""
    groups = _singletons(observations, unlinked)
    refusals = []
    strongest_first = [pl.col("kind").replace_strict(STRENGTH), -pl.col("weight")]
    ordered = edges.sort([*strongest_first, "left_id", "right_id", "rule"])
    for left_id, right_id, rule, probability in ordered.select(
        "left_id", "right_id", "rule", "probability"
    ).iter_rows():
        left, right = groups[left_id], groups[right_id]
        if left is right:
            continue
        constraint = _forbidding(left, right)
        if constraint:
            refusals.append((left_id, right_id, rule, probability, constraint))
        else:
            _unite(left, right, groups)
    rows = [(member, min(group.members)) for group in _distinct(groups.values()) for member in group.members]
    clusters = pl.DataFrame(rows, schema={"observation_id": pl.String, "component_id": pl.String}, orient="row")
    return clusters, pl.DataFrame(refusals, schema=REFUSAL_SCHEMA, orient="row")


def _singletons(observations: pl.DataFrame, unlinked: pl.DataFrame) -> dict[str, _Group]:
    groups = {}
    for row in observations.iter_rows(named=True):
        group = _Group([row["observation_id"]])
        if row["given_name"]:
            group.given[row["given_name"]] = frozenset(row["given_forms"])
        group.birthdays |= {str(row["date_of_birth"])} if row["date_of_birth"] else set()
        group.suffixes |= {row["suffix"]} if row["suffix"] else set()
        groups[row["observation_id"]] = group
    for left_id, right_id in unlinked.select("left_id", "right_id").iter_rows():
        for one, other in ((left_id, right_id), (right_id, left_id)):
            if one in groups:
                groups[one].parted_from.add(other)
    return groups


def _forbidding(left: _Group, right: _Group) -> str | None:
    """The constraint that the union of two groups would break, if any."""
    if left.parted_from.intersection(right.members) or right.parted_from.intersection(left.members):
        return "steward_unlink"
    if left.suffixes and right.suffixes and left.suffixes.isdisjoint(right.suffixes):
        return "suffix"
    if left.birthdays and right.birthdays and not _near(left.birthdays, right.birthdays):
        return "date_of_birth"
    if left.given and right.given and not _alike(left.given, right.given):
        return "given_name"
    return None


def _near(left: set[str], right: set[str]) -> bool:
    """Whether two sets of birthdays can be one: some two of them differ in two characters at most."""
    return any(_typos(a, b) <= 2 for a in left for b in right)


def _typos(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))


def _alike(left: dict[str, frozenset[str]], right: dict[str, frozenset[str]]) -> bool:
    return any(
        alike(name, forms, other, other_forms) for name, forms in left.items() for other, other_forms in right.items()
    )


def _unite(left: _Group, right: _Group, groups: dict[str, _Group]) -> None:
    small, large = sorted((left, right), key=lambda group: len(group.members))
    large.members += small.members
    large.given |= small.given
    large.birthdays |= small.birthdays
    large.suffixes |= small.suffixes
    large.parted_from |= small.parted_from
    for member in small.members:
        groups[member] = large


def _distinct(groups: Iterable[_Group]) -> list[_Group]:
    return list({id(group): group for group in groups}.values())
