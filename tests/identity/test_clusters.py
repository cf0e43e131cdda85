"""Clustering by edges and constraints: order never matters, constraints always hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.clusters import Clustering, cluster, connected_components

OBSERVED = pl.Schema(
    {
        "observation_id": pl.String,
        "given_name": pl.String,
        "given_forms": pl.List(pl.String),
        "surname": pl.String,
        "date_of_birth": pl.Date,
        "suffix": pl.String,
        "customer": pl.String,
        "is_claim": pl.Boolean,
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
        "evidence": pl.String,
    }
)


def observed(*rows: tuple[str, str | None, date | None]) -> pl.DataFrame:
    """Observations from (id, name, birthday); a name is a given name, or given name and surname, or `- surname`."""
    return pl.DataFrame([_observed(*row) for row in rows], schema=OBSERVED, orient="row")


def _observed(name: str, called: str | None, born: date | None) -> tuple[Any, ...]:
    given_name, surname = [*(called or "").split(), None, None][:2]
    given_name = None if given_name == "-" else given_name
    return name, given_name, [given_name] if given_name else None, surname, born, None, None, name.startswith("claim")


def edges(*rows: tuple[str, str, float], kind: str = "exact", value: str = "x") -> pl.DataFrame:
    """Edges from (left, right, weight); exact edges all share one value."""
    filled = [(left, right, kind, kind, 0.99, weight, value) for left, right, weight in rows]
    return pl.DataFrame(filled, schema=EDGES, orient="row")


def pairs(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"left_id": pl.String, "right_id": pl.String}, orient="row")


def together(clustering: Clustering) -> set[frozenset[str]]:
    groups = clustering.clusters.group_by("component_id").agg("observation_id")["observation_id"]
    return {frozenset(group) for group in groups}


def test_a_chain_is_one_component_named_after_its_smallest_id() -> None:
    components = connected_components(pl.Series(["d", "c", "b", "a"]), edges(("d", "c", 1.0), ("c", "b", 1.0)))
    assert dict(components.iter_rows()) == {"a": "a", "b": "b", "c": "b", "d": "b"}


def test_without_edges_every_observation_is_its_own_cluster() -> None:
    assert together(cluster(observed(("a", None, None), ("b", None, None)), edges(), pairs())) == {
        frozenset("a"),
        frozenset("b"),
    }


def test_conflicting_names_are_separated_at_the_weakest_edge() -> None:
    people = observed(("ann", "ann", None), ("mail", None, None), ("bob", "bob", None))
    clustering = cluster(people, edges(("ann", "mail", 9.0), ("mail", "bob", 7.0)), pairs())
    assert together(clustering) == {frozenset({"ann", "mail"}), frozenset({"bob"})}
    assert clustering.refusals.select("left_id", "right_id", "constraint").rows() == [("mail", "bob", "given_name")]


def test_shared_values_take_precedence_over_model_scores() -> None:
    people = observed(("ann", "ann", None), ("sms", None, None), ("bob", "bob", None))
    alike = edges(("sms", "bob", 30.0), kind="model")
    clustering = cluster(people, pl.concat([alike, edges(("ann", "sms", 7.0))]), pairs())
    assert together(clustering) == {frozenset({"ann", "sms"}), frozenset({"bob"})}


BIRTHDAY, TYPO, OTHER_BIRTHDAY = date(1980, 3, 12), date(1980, 3, 13), date(1986, 11, 30)
OF_PARENT, PLACEHOLDER = date(1954, 11, 30), date(1954, 1, 1)


@pytest.mark.parametrize(
    ("one", "other", "refused"),
    [
        (("ann", BIRTHDAY), ("ann", TYPO), None),
        (("ann", BIRTHDAY), ("kim", TYPO), "given_name"),
        # A mistyped birthday is more common than two people of the same name who share a value.
        (("ann lee", BIRTHDAY), ("ann lee", OTHER_BIRTHDAY), None),
        (("ann lee", BIRTHDAY), ("lee ann", OTHER_BIRTHDAY), None),
        (("ann lee", BIRTHDAY), ("ann lee", PLACEHOLDER), None),
        # Unless they are a generation apart: parents and children bear one name, and use one address.
        (("ann lee", BIRTHDAY), ("ann lee", OF_PARENT), "date_of_birth"),
        (("ann lee", BIRTHDAY), ("ann roe", OTHER_BIRTHDAY), "date_of_birth"),
        (("- lee", BIRTHDAY), ("- lee", OTHER_BIRTHDAY), None),
        (("- lee", BIRTHDAY), ("- roe", OTHER_BIRTHDAY), "date_of_birth"),
        ((None, BIRTHDAY), (None, TYPO), None),
        ((None, BIRTHDAY), (None, OTHER_BIRTHDAY), "date_of_birth"),
        ((None, BIRTHDAY), ("ann lee", OTHER_BIRTHDAY), "date_of_birth"),
        (("ann lee", None), ("ann roe", None), None),
        (("ann lee", None), ("a lee", None), None),
        (("ann lee", None), ("lee ann", None), None),
        (("ann lee", None), ("kim lee", None), "given_name"),
        (("ann lee", None), ("- lee", None), None),
    ],
)
def test_a_shared_value_joins_unless_name_or_birthday_conflict(
    one: tuple[str | None, date | None], other: tuple[str | None, date | None], refused: str | None
) -> None:
    clustering = cluster(observed(("a", *one), ("b", *other)), edges(("a", "b", 9.0)), pairs())
    assert clustering.refusals["constraint"].to_list() == ([refused] if refused else [])
    assert len(together(clustering)) == (2 if refused else 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ann", BIRTHDAY), ("kim", OTHER_BIRTHDAY)),
        (("ann", None), ("kim", None)),
        (("- lee", BIRTHDAY), ("- roe", OTHER_BIRTHDAY)),
    ],
)
def test_attributes_on_both_ends_of_a_model_edge_are_not_checked_again(
    one: tuple[str, date | None], other: tuple[str, date | None]
) -> None:
    clustering = cluster(observed(("a", *one), ("b", *other)), edges(("a", "b", 9.0), kind="model"), pairs())
    assert together(clustering) == {frozenset("ab")}
    assert clustering.refusals.is_empty()


def test_attributes_that_the_model_has_not_compared_are_checked() -> None:
    # The model compared two birthdays but only one name; the other side's name comes from its group.
    people = observed(("a", "ann", BIRTHDAY), ("b", None, BIRTHDAY), ("c", "kim", None))
    links = pl.concat([edges(("b", "c", 9.0)), edges(("a", "b", 30.0), kind="model")])
    clustering = cluster(people, links, pairs())
    assert together(clustering) == {frozenset("a"), frozenset("bc")}
    assert clustering.refusals["constraint"].to_list() == ["given_name"]


def test_suffixes_separate_a_father_and_son_even_if_the_model_joins_them() -> None:
    people = observed(("a", "john marsh", None), ("b", "john marsh", None)).with_columns(suffix=pl.Series(["sr", "jr"]))
    for kind in ("exact", "model"):
        clustering = cluster(people, edges(("a", "b", 9.0), kind=kind), pairs())
        assert clustering.refusals["constraint"].to_list() == ["suffix"]


def test_holders_of_a_value_that_are_refused_by_the_first_holder_still_join_each_other() -> None:
    holders = observed(*((name, None, None) for name in "abcd"))
    star = edges(("a", "b", 9.0), ("a", "c", 9.0), ("a", "d", 9.0))
    clustering = cluster(holders, star, pairs(("a", "b"), ("a", "c")))
    assert together(clustering) == {frozenset("ad"), frozenset("bc")}


def test_refusals_for_different_values_join_nobody() -> None:
    holders = observed(*((name, None, None) for name in "abc"))
    stars = pl.concat([edges(("a", "b", 9.0), value="x"), edges(("a", "c", 9.0), value="y")])
    clustering = cluster(holders, stars, pairs(("a", "b"), ("a", "c")))
    assert together(clustering) == {frozenset("a"), frozenset("b"), frozenset("c")}


def test_a_stewards_link_overrides_constraints_but_not_an_unlink() -> None:
    people = observed(("a", "ann", BIRTHDAY), ("b", "kim", OTHER_BIRTHDAY))
    link = edges(("a", "b", 9.0), kind="steward")
    assert together(cluster(people, link, pairs())) == {frozenset("ab")}
    assert together(cluster(people, link, pairs(("b", "a")))) == {frozenset("a"), frozenset("b")}


NODES = [f"n{number}" for number in range(7)]
NODE = st.sampled_from(NODES)
NAMES = st.lists(st.sampled_from([None, "ann", "bob"]), min_size=len(NODES), max_size=len(NODES))
LINKS = st.lists(st.tuples(NODE, NODE, st.floats(1, 20)).filter(lambda edge: edge[0] != edge[1]), max_size=14)
UNLINKS = st.lists(st.tuples(NODE, NODE).filter(lambda pair: pair[0] != pair[1]), max_size=3)


@given(names=NAMES, links=LINKS, unlinks=UNLINKS, order=st.randoms())
@pytest.mark.slow
def test_constraints_hold_and_order_does_not_matter(
    names: list[str | None], links: list[tuple[str, str, float]], unlinks: list[tuple[str, str]], order: Any
) -> None:
    people = observed(*((node, name, None) for node, name in zip(NODES, names, strict=True)))
    clustering = cluster(people, edges(*links), pairs(*unlinks))
    component = dict(clustering.clusters.iter_rows())

    assert all(component[left] != component[right] for left, right in unlinks)
    for group in together(clustering):
        assert len({names[NODES.index(node)] for node in group} - {None}) <= 1

    shuffled = list(links)
    order.shuffle(shuffled)
    again = cluster(people.sample(fraction=1.0, shuffle=True), edges(*shuffled), pairs(*unlinks))
    assert together(again) == together(clustering)
