"""Clustering: edges and constraints to clusters. A pure function, so that arrival order cannot matter.

Connected components come first. A component that violates a constraint is rebuilt on its own, from its strongest
edges down, refusing each union that would violate one; the refusals feed the review queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components as _label_components

from identity.names import alike, nearly_alike

# A component is rebuilt along stewards' links first, then shared values, then model scores; within a kind by weight.
STRENGTH = {"steward": 0, "exact": 1, "model": 2}

# Years between parent and child.
GENERATION = 15

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
    """clusters: observation_id, component_id (its smallest observation id). linked: observation_id, linked_id, the
    same without any constraint. refusals: the refused edges."""

    clusters: pl.DataFrame
    linked: pl.DataFrame
    refusals: pl.DataFrame


def connected_components(nodes: pl.Series, edges: pl.DataFrame) -> pl.DataFrame:
    """A frame of observation_id, component_id (the smallest observation id in the component).

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
    """Cluster observations by their edges so that no cluster violates a constraint.

    Args:
        observations: observation_id, given_name, given_forms, surname, date_of_birth, suffix, customer
            (`source:number`), is_claim.
        edges: left_id, right_id, kind, rule, probability, weight, evidence.
        unlinked: left_id, right_id: pairs that stewards have unlinked.
    """
    components = connected_components(observations["observation_id"], edges)
    linked = components.rename({"component_id": "linked_id"})
    suspect = pl.concat(
        [_suspect_components(components, observations, unlinked), _bridged_components(components, observations, edges)]
    ).unique()
    if suspect.is_empty():
        return Clustering(components, linked, pl.DataFrame(schema=REFUSAL_SCHEMA))
    suspects = components.join(suspect, on="component_id", how="semi")
    inside = edges.join(suspects, left_on="left_id", right_on="observation_id", how="semi")
    rebuilt, refusals = _rebuild(observations.join(suspects, on="observation_id", how="semi"), inside, unlinked)
    intact = components.join(suspect, on="component_id", how="anti")
    return Clustering(pl.concat([intact, rebuilt]).sort("observation_id"), linked, refusals)


def _positions(ids: pl.Series, position: pl.DataFrame) -> pl.Series:
    return ids.to_frame("id").join(position, on="id", how="left", maintain_order="left")["position"]


def _suspect_components(components: pl.DataFrame, observations: pl.DataFrame, unlinked: pl.DataFrame) -> pl.DataFrame:
    """The components that may violate a constraint: a superset, found with set operations."""
    described = components.join(observations, on="observation_id")
    conflicting = (
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
    unlinked_inside = (
        left.join(components, left_on="right_id", right_on="observation_id", suffix="_right")
        .filter(pl.col("component_id") == pl.col("component_id_right"))
        .select("component_id")
    )
    return pl.concat([conflicting, unlinked_inside]).unique()


def _bridged_components(components: pl.DataFrame, observations: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """The components of which claims alone hold parts together."""
    told = observations.filter(~pl.col("is_claim"))["observation_id"]
    if len(told) == len(observations):
        return components.select("component_id").clear()
    both_told = edges.filter(pl.col("left_id").is_in(told.implode()) & pl.col("right_id").is_in(told.implode()))
    parts = connected_components(told, both_told).rename({"component_id": "part_id"})
    counted = components.join(parts, on="observation_id").group_by("component_id").agg(pl.col("part_id").n_unique())
    return counted.filter(pl.col("part_id") > 1).select("component_id")


@dataclass(frozen=True)
class _Name:
    """A person's name as an observation gives it; either part may be missing."""

    given: str | None
    forms: frozenset[str]
    surname: str | None


@dataclass
class _Group:
    """A cluster being built, with the attributes that constraints check. is_told: by more than claims."""

    members: list[str]
    names: set[_Name] = field(default_factory=set)
    birthdays: set[str] = field(default_factory=set)
    suffixes: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    unlinked_from: set[str] = field(default_factory=set)
    # What its members have been joined by, within it or to others: type and value.
    values: set[tuple[str, str]] = field(default_factory=set)
    is_told: bool = True

    @property
    def has_given_name(self) -> bool:
        return any(name.given for name in self.names)

    def absorb(self, other: _Group) -> None:
        self.members += other.members
        self.names |= other.names
        self.birthdays |= other.birthdays
        self.suffixes |= other.suffixes
        self.customers |= other.customers
        self.unlinked_from |= other.unlinked_from
        self.values |= other.values
        self.is_told = self.is_told or other.is_told


def _rebuild(
    observations: pl.DataFrame, edges: pl.DataFrame, unlinked: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Unite groups along edges, strongest first, ties by id. Each union depends on those before it, so this is a loop;
    it runs over suspect components only."""
    partition = _Partition(_singletons(observations, edges, unlinked))
    refusals: list[tuple[str, str, str, float, str]] = []
    # All holders of a value are linked through one of them. Holders refused by that one may still join each other.
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
    """A partition of observations into groups that are united step by step."""

    def __init__(self, groups: dict[str, _Group]) -> None:
        self._group_of = groups
        self._with_given_name = {id_ for id_, group in groups.items() if group.has_given_name}
        self._with_birthday = {id_ for id_, group in groups.items() if group.birthdays}
        self._claims = {id_ for id_, group in groups.items() if not group.is_told}

    def unite(self, left_id: str, right_id: str, kind: str) -> str | None:
        """Unite the groups of two observations; return the constraint that forbids it, if one does.

        A steward's link overrides every constraint except a steward's unlink. An attribute that both ends of a model
        edge have was already weighed by the model, so it is not checked again. Anybody can make a claim: it may belong
        to a person of whom others have told, but never unites two of them.
        """
        left, right = self._group_of[left_id], self._group_of[right_id]
        if left is right:
            return None
        ends = {left_id, right_id}
        if _unlinked(left, right):
            return "steward_unlink"
        if kind != "steward" and left.is_told and right.is_told and ends & self._claims:
            return "claim"
        constraint = kind != "steward" and _violated_constraint(
            left,
            right,
            names=kind != "model" or not ends <= self._with_given_name,
            birthdays=kind != "model" or not ends <= self._with_birthday,
        )
        if constraint:
            return constraint
        small, large = sorted((left, right), key=lambda group: len(group.members))
        large.absorb(small)
        self._group_of |= dict.fromkeys(small.members, large)
        return None

    def groups(self) -> Iterable[_Group]:
        return {id(group): group for group in self._group_of.values()}.values()


def _singletons(observations: pl.DataFrame, edges: pl.DataFrame, unlinked: pl.DataFrame) -> dict[str, _Group]:
    groups = {}
    for row in observations.iter_rows(named=True):
        group = _Group([row["observation_id"]], is_told=not row["is_claim"])
        if row["given_name"] or row["surname"]:
            group.names.add(_Name(row["given_name"], frozenset(row["given_forms"] or ()), row["surname"]))
        group.birthdays |= {str(row["date_of_birth"])} if row["date_of_birth"] else set()
        group.suffixes |= {row["suffix"]} if row["suffix"] else set()
        group.customers |= {row["customer"]} if row["customer"] else set()
        groups[row["observation_id"]] = group
    shared = edges.filter(kind="exact").select("left_id", "right_id", "rule", "evidence")
    for left_id, right_id, rule, evidence in shared.iter_rows():
        # A shared value joins under a rule of its own: `email+name`.
        value = rule.partition("+")[0], evidence
        groups[left_id].values.add(value)
        groups[right_id].values.add(value)
    for left_id, right_id in unlinked.select("left_id", "right_id").iter_rows():
        for one, other in ((left_id, right_id), (right_id, left_id)):
            if one in groups:
                groups[one].unlinked_from.add(other)
    return groups


def _unlinked(left: _Group, right: _Group) -> bool:
    return bool(left.unlinked_from.intersection(right.members) or right.unlinked_from.intersection(left.members))


def _violated_constraint(left: _Group, right: _Group, *, names: bool, birthdays: bool) -> str | None:
    """The constraint that the union of two groups would violate, if any; `names` and `birthdays` select the checks."""
    if left.suffixes and right.suffixes and left.suffixes.isdisjoint(right.suffixes):
        return "suffix"
    births_differ = left.birthdays and right.birthdays and not _near(left.birthdays, right.birthdays)
    if birthdays and births_differ and not (_any(_same_name, left, right) and _is_mistyped(left, right)):
        return "date_of_birth"
    if names and left.has_given_name and right.has_given_name and not _may_be_namesakes(left, right):
        return "given_name"
    return None


def _may_be_namesakes(left: _Group, right: _Group) -> bool:
    """Whether two groups may have one given name, as `sql/holders.sql` judges it. Who has a customer number, an e-mail
    and a phone in common is one person under any names.
    """
    if _any(_alike, left, right):
        return True
    types = {kind for kind, _ in left.values & right.values}
    if types >= _WHOLE_IDENTITY:
        return True
    is_seconded = (len(types) > 1 or types == {"customer_id"}) and not _are_two_customers(left, right)
    return is_seconded and _any(_nearly_alike, left, right)


def _are_two_customers(left: _Group, right: _Group) -> bool:
    """Whether a source knows them by other customer numbers, and has none that both bear."""
    sources = ({one.partition(":")[0] for one in group.customers} for group in (left, right))
    return left.customers.isdisjoint(right.customers) and not set.isdisjoint(*sources)


_WHOLE_IDENTITY = frozenset(("customer_id", "email", "phone"))


def _near(left: set[str], right: set[str]) -> bool:
    """Whether two sets of birthdays are compatible: a pair differs in at most two characters."""
    return any(_typos(a, b) <= 2 for a in left for b in right)


def _is_mistyped(left: _Group, right: _Group) -> bool:
    """Whether birthdays of people of one name are rather mistyped than those of parent and child: that is more common,
    unless they are a generation apart with no part in common, or a source has two customers.
    """
    if _are_two_customers(left, right):
        return False
    return not all(_is_generation_apart(a, b) for a in left.birthdays for b in right.birthdays)


def _is_generation_apart(a: str, b: str) -> bool:
    (year_a, *day_a), (year_b, *day_b) = a.split("-"), b.split("-")
    has_placeholder = ["01", "01"] in (day_a, day_b)
    is_same_part = any(one == other for one, other in zip(day_a, day_b, strict=True))
    return abs(int(year_a) - int(year_b)) >= GENERATION and not is_same_part and not has_placeholder


def _typos(a: str, b: str) -> int:
    return sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))


def _any(rule: Callable[[_Name, _Name], bool], left: _Group, right: _Group) -> bool:
    return any(rule(one, other) for one in left.names for other in right.names)


def _alike(one: _Name, other: _Name) -> bool:
    """Whether two given names may belong to one person, including when first and last name are swapped."""
    if one.given and other.given and alike(one.given, one.forms, other.given, other.forms):
        return True
    return _crossed(one, other)


def _nearly_alike(one: _Name, other: _Name) -> bool:
    return one.given is not None and other.given is not None and nearly_alike(one.given, other.given)


def _same_name(one: _Name, other: _Name) -> bool:
    """Whether all parts that both names have agree, with at least one such part."""
    if _crossed(one, other):
        return True
    given = alike(one.given, one.forms, other.given, other.forms) if one.given and other.given else None
    surname = alike(one.surname, frozenset(), other.surname, frozenset()) if one.surname and other.surname else None
    return (given, surname) != (None, None) and given is not False and surname is not False


def _crossed(one: _Name, other: _Name) -> bool:
    return one.given is not None and one.given == other.surname and one.surname == other.given
