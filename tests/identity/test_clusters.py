"""Edges and constraints to clusters: order never matters, constraints always hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from identity.clusters import Clustering, cluster, connected_components

OBSERVED = pl.Schema(
    {
        "observation_id": pl.String,
        "given_name": pl.String,
        "given_forms": pl.List(pl.String),
        "date_of_birth": pl.Date,
        "suffix": pl.String,
    }
)
EDGES = pl.Schema(
    {
        "left_id": pl.String,
        "right_id": pl.String,
        "kind": pl.String,
        "rule": pl.String,
        "probability": pl.Float64,
        "weight": pl.Float64,
    }
)


def observed(*rows: tuple[str, str | None, date | None]) -> pl.DataFrame:
    """Observations from (id, given name, birthday)."""
    return pl.DataFrame(
        [(name, given_name, [given_name] if given_name else None, born, None) for name, given_name, born in rows],
        schema=OBSERVED,
        orient="row",
    )


def edges(*rows: tuple[str, str, float]) -> pl.DataFrame:
    """Exact edges from (left, right, weight)."""
    return pl.DataFrame(
        [(left, right, "exact", "email", 0.99, weight) for left, right, weight in rows], schema=EDGES, orient="row"
    )


def pairs(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"left_id": pl.String, "right_id": pl.String}, orient="row")


def together(clustering: Clustering) -> set[frozenset[str]]:
    groups = clustering.clusters.group_by("component_id").agg("observation_id")["observation_id"]
    return {frozenset(group) for group in groups}


def test_a_chain_is_one_component_named_after_its_smallest_id() -> None:
    components = connected_components(pl.Series(["d", "c", "b", "a"]), edges(("d", "c", 1.0), ("c", "b", 1.0)))
    assert dict(components.iter_rows()) == {"a": "a", "b": "b", "c": "b", "d": "b"}


def test_without_edges_everybody_stands_alone() -> None:
    assert together(cluster(observed(("a", None, None), ("b", None, None)), edges(), pairs())) == {
        frozenset("a"),
        frozenset("b"),
    }


def test_conflicting_names_are_parted_at_the_weakest_edge() -> None:
    people = observed(("ann", "ann", None), ("mail", None, None), ("bob", "bob", None))
    clustering = cluster(people, edges(("ann", "mail", 9.0), ("mail", "bob", 7.0)), pairs())
    assert together(clustering) == {frozenset({"ann", "mail"}), frozenset({"bob"})}
    assert clustering.refusals.select("left_id", "right_id", "constraint").rows() == [("mail", "bob", "given_name")]


def test_what_is_shared_goes_before_what_is_alike() -> None:
    people = observed(("ann", "ann", None), ("sms", None, None), ("bob", "bob", None))
    alike = edges(("sms", "bob", 30.0)).with_columns(kind=pl.lit("model"))
    clustering = cluster(people, pl.concat([alike, edges(("ann", "sms", 7.0))]), pairs())
    assert together(clustering) == {frozenset({"ann", "sms"}), frozenset({"bob"})}


def test_birthdays_may_differ_by_a_typo_not_by_a_life() -> None:
    born = date(1980, 3, 12)
    typo = observed(("a", "ann", born), ("b", "ann", date(1980, 3, 13)))
    other = observed(("a", "ann", born), ("b", "ann", date(1954, 11, 30)))
    link = edges(("a", "b", 9.0))
    assert len(together(cluster(typo, link, pairs()))) == 1
    assert len(together(cluster(other, link, pairs()))) == 2


NODES = [f"n{number}" for number in range(7)]
NODE = st.sampled_from(NODES)
NAMES = st.lists(st.sampled_from([None, "ann", "bob"]), min_size=len(NODES), max_size=len(NODES))
LINKS = st.lists(st.tuples(NODE, NODE, st.floats(1, 20)).filter(lambda edge: edge[0] != edge[1]), max_size=14)
UNLINKS = st.lists(st.tuples(NODE, NODE).filter(lambda pair: pair[0] != pair[1]), max_size=3)


@given(names=NAMES, links=LINKS, unlinks=UNLINKS, order=st.randoms())
def test_constraints_hold_and_order_does_not_matter(
    names: list[str | None], links: list[tuple[str, str, float]], unlinks: list[tuple[str, str]], order: Any
) -> None:
    people = observed(*((node, name, None) for node, name in zip(NODES, names, strict=True)))
    clustering = cluster(people, edges(*links), pairs(*unlinks))
    place = dict(clustering.clusters.iter_rows())

    assert all(place[left] != place[right] for left, right in unlinks)
    for group in together(clustering):
        assert len({names[NODES.index(node)] for node in group} - {None}) <= 1

    shuffled = list(links)
    order.shuffle(shuffled)
    again = cluster(people.sample(fraction=1.0, shuffle=True), edges(*shuffled), pairs(*unlinks))
    assert together(again) == together(clustering)
