"""Edges and constraints to clusters: a pure function, so that no arrival order can matter.

Connected components first. A component that breaks a constraint is rebuilt alone, from its strongest edges
down, refusing each union that would break one; the refusals are the review queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    """clusters: observation_id, component_id (its smallest observation id). linked: observation_id, linked_id: the
    same, had no constraint forbidden anything. refusals: the forbidden edges."""

    clusters: pl.DataFrame
    linked: pl.DataFrame
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
        observations: observation_id, given_name, given_forms, surname, date_of_birth, suffix.
        edges: left_id, right_id, kind, rule, probability, weight, evidence.
        unlinked: left_id, right_id: pairs that a steward has parted.
    """
    components = connected_components(observations["observation_id"], edges)
    linked = components.rename({"component_id": "linked_id"})
    broken = _broken_components(components, observations, unlinked)
    if broken.is_empty():
        return Clustering(components, linked, pl.DataFrame(schema=REFUSAL_SCHEMA))
    suspects = components.join(broken, on="component_id", how="semi")
    inside = edges.join(suspects, left_on="left_id", right_on="observation_id", how="semi")
    rebuilt, refusals = _rebuild(observations.join(suspects, on="observation_id", how="semi"), inside, unlinked)
    whole = components.join(broken, on="component_id", how="anti")
    return Clustering(pl.concat([whole, rebuilt]).sort("observation_id"), linked, refusals)


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


@dataclass(frozen=True)
class _Name:
    """A person's name as an observation gives it; either part may be missing."""

    given: str | None
    forms: frozenset[str]
    surname: str | None


@dataclass
class _Group:
    """A cluster in the making, with what constraints look at."""

    members: list[str]
    names: set[_Name] = field(default_factory=set)
    birthdays: set[str] = field(default_factory=set)
    suffixes: set[str] = field(default_factory=set)
    parted_from: set[str] = field(default_factory=set)

    @property
    def has_given_name(self) -> bool:
        return any(name.given for name in self.names)

    def take(self, other: _Group) -> None:
        """Become both."""
        self.members += other.members
        self.names |= other.names
        self.birthdays |= other.birthdays
        self.suffixes |= other.suffixes
        self.parted_from |= other.parted_from


def _rebuild(
    observations: pl.DataFrame, edges: pl.DataFrame, unlinked: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Unite along edges, strongest first, ties by id. A union depends on the ones before it, so this is a loop;
    it runs over suspect components only."""
    partition = _Partition(_singletons(observations, unlinked))
    refusals: list[tuple[str, str, str, float, str]] = []
    # Holders of a value that were refused the one that all of them are linked through: they still have each other.
    left_over: dict[tuple[str, str, str], list[str]] = {}
    strongest_first = [pl.col("kind").replace_strict(STRENGTH), -pl.col("weight")]
    ordered = edges.sort([*strongest_first, "left_id", "right_id", "rule"])
    for left_id, right_id, kind, rule, probability, evidence in ordered.select(
        "left_id", "right_id", "kind", "rule", "probability", "evidence"
    ).iter_rows():
        constraint = partition.unite(left_id, right_id, kind)
        if constraint:
            refusals.append((left_id, right_id, rule, probability, constraint))
        if constraint and kind == "exact":
            others = left_over.setdefault((left_id, rule, evidence), [])
            for other in others:
                partition.unite(other, right_id, kind)
            others.append(right_id)
    rows = [(member, min(group.members)) for group in partition.groups() for member in group.members]
    clusters = pl.DataFrame(rows, schema={"observation_id": pl.String, "component_id": pl.String}, orient="row")
    return clusters, pl.DataFrame(refusals, schema=REFUSAL_SCHEMA, orient="row")


class _Partition:
    """Observations in groups that grow together."""

    def __init__(self, groups: dict[str, _Group]) -> None:
        self._group_of = groups
        self._named = {id_ for id_, group in groups.items() if group.has_given_name}
        self._born = {id_ for id_, group in groups.items() if group.birthdays}

    def unite(self, left_id: str, right_id: str, kind: str) -> str | None:
        """Unite the groups of two observations, unless a constraint forbids it: which one.

        A steward's word overrules all but another steward's. What both ends of a model's edge give, the model has
        weighed already.
        """
        left, right = self._group_of[left_id], self._group_of[right_id]
        if left is right:
            return None
        ends = {left_id, right_id}
        if _parted(left, right):
            return "steward_unlink"
        constraint = kind != "steward" and _forbidding(
            left,
            right,
            names=kind != "model" or not ends <= self._named,
            birthdays=kind != "model" or not ends <= self._born,
        )
        if constraint:
            return constraint
        small, large = sorted((left, right), key=lambda group: len(group.members))
        large.take(small)
        self._group_of |= dict.fromkeys(small.members, large)
        return None

    def groups(self) -> Iterable[_Group]:
        return {id(group): group for group in self._group_of.values()}.values()


def _singletons(observations: pl.DataFrame, unlinked: pl.DataFrame) -> dict[str, _Group]:
    groups = {}
    for row in observations.iter_rows(named=True):
        group = _Group([row["observation_id"]])
        if row["given_name"] or row["surname"]:
            group.names.add(_Name(row["given_name"], frozenset(row["given_forms"] or ()), row["surname"]))
        group.birthdays |= {str(row["date_of_birth"])} if row["date_of_birth"] else set()
        group.suffixes |= {row["suffix"]} if row["suffix"] else set()
        groups[row["observation_id"]] = group
    for left_id, right_id in unlinked.select("left_id", "right_id").iter_rows():
        for one, other in ((left_id, right_id), (right_id, left_id)):
            if one in groups:
                groups[one].parted_from.add(other)
    return groups


def _parted(left: _Group, right: _Group) -> bool:
    return bool(left.parted_from.intersection(right.members) or right.parted_from.intersection(left.members))


def _forbidding(left: _Group, right: _Group, *, names: bool, birthdays: bool) -> str | None:
    """What speaks against the union of two groups, if anything; `names` and `birthdays` say what is to be looked at."""
    if left.suffixes and right.suffixes and left.suffixes.isdisjoint(right.suffixes):
        return "suffix"
    births_differ = left.birthdays and right.birthdays and not _near(left.birthdays, right.birthdays)
    # A birthday is mistyped more often than two people of one name share a value of their own.
    if birthdays and births_differ and not _any(_same_name, left, right):
        return "date_of_birth"
    if names and left.has_given_name and right.has_given_name and not _any(_alike, left, right):
        return "given_name"
    return None


def _near(left: set[str], right: set[str]) -> bool:
    """Whether two sets of birthdays can be one: some two of them differ in two characters at most."""
    return any(_typos(a, b) <= 2 for a in left for b in right)


def _typos(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))


def _any(rule: Callable[[_Name, _Name], bool], left: _Group, right: _Group) -> bool:
    return any(rule(one, other) for one in left.names for other in right.names)


def _alike(one: _Name, other: _Name) -> bool:
    """Whether two given names may be one person's, also where one stands in the surname's place."""
    if one.given and other.given and alike(one.given, one.forms, other.given, other.forms):
        return True
    return _crossed(one, other)


def _same_name(one: _Name, other: _Name) -> bool:
    """Whether all parts that both names give agree, and there is one."""
    if _crossed(one, other):
        return True
    given = alike(one.given, one.forms, other.given, other.forms) if one.given and other.given else None
    surname = alike(one.surname, frozenset(), other.surname, frozenset()) if one.surname and other.surname else None
    return (given, surname) != (None, None) and given is not False and surname is not False


def _crossed(one: _Name, other: _Name) -> bool:
    return one.given is not None and one.given == other.surname and one.surname == other.given
