"""The chain of evidence between two: the most probable one, in the order in which it is told."""

from __future__ import annotations

from itertools import pairwise, permutations
from math import prod

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.chain import Link, strongest_chain

SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("left_id", "right_id", "kind", "rule"), pl.String),
        **dict.fromkeys(("probability", "weight"), pl.Float64),
        "evidence": pl.String,
    }
)


def edges(*rows: tuple[str, str, str, float, str]) -> pl.DataFrame:
    """left, right, rule, probability, evidence."""
    kinds = {"model": "model", "link": "steward"}
    filled = [(left, right, kinds.get(rule, "exact"), rule, p, 1.0, said) for left, right, rule, p, said in rows]
    return pl.DataFrame(filled, schema=SCHEMA, orient="row")


def told(chain: list[Link] | None) -> list[tuple[str, str, str]] | None:
    return None if chain is None else [(link.from_id, link.rule, link.to_id) for link in chain]


ALL = ("a", "b", "c", "d", "hub")
CASES: dict[str, tuple[pl.DataFrame, tuple[str, str], list[tuple[str, str, str]] | None]] = {
    "a link, also against its direction": (
        edges(("a", "b", "email", 0.999, "x")),
        ("b", "a"),
        [("b", "email", "a")],
    ),
    "a value that many hold is one link between any two": (
        edges(("a", "b", "email", 0.9, "x"), ("a", "c", "email", 0.9, "x"), ("b", "c", "model", 0.89, "")),
        ("b", "c"),
        [("b", "email", "c")],
    ),
    "two strong links are better than a weak one": (
        edges(("a", "b", "email", 0.999, "x"), ("b", "c", "phone", 0.998, "7"), ("a", "c", "model", 0.99, "")),
        ("a", "c"),
        [("a", "email", "b"), ("b", "phone", "c")],
    ),
    "a strong link is better than two": (
        edges(("a", "b", "email", 0.999, "x"), ("b", "c", "phone", 0.998, "7"), ("a", "c", "customer_id", 0.9999, "1")),
        ("a", "c"),
        [("a", "customer_id", "c")],
    ),
    "of two links between a pair the stronger one is told": (
        edges(("a", "b", "phone", 0.998, "7"), ("b", "a", "email", 0.999, "x")),
        ("a", "b"),
        [("a", "email", "b")],
    ),
    "the holders of a value are linked by it, and not by the one that all are linked through": (
        edges(("hub", "a", "email", 0.999, "x"), ("hub", "b", "email", 0.999, "x"), ("b", "c", "phone", 0.998, "7")),
        ("a", "c"),
        [("a", "email", "b"), ("b", "phone", "c")],
    ),
    "two values in a row are two links": (
        edges(("a", "b", "email", 0.999, "x"), ("b", "c", "email", 0.999, "y")),
        ("a", "c"),
        [("a", "email", "b"), ("b", "email", "c")],
    ),
    "two of the model's links in a row are two links": (
        edges(("a", "b", "model", 0.999, ""), ("b", "c", "model", 0.999, "")),
        ("a", "c"),
        [("a", "model", "b"), ("b", "model", "c")],
    ),
    "no way": (edges(("a", "b", "email", 0.999, "x"), ("c", "d", "email", 0.999, "y")), ("a", "d"), None),
    "no edge at all": (edges(), ("a", "b"), None),
    "itself": (edges(), ("a", "a"), []),
}


@pytest.mark.parametrize("case", CASES)
def test_the_strongest_chain(case: str) -> None:
    given_edges, (start, end), expected = CASES[case]
    assert told(strongest_chain(given_edges, ALL, [start], [end])) == expected


def test_it_leads_through_members_only_but_a_value_s_other_holders_may_be_anywhere() -> None:
    through_c = edges(("a", "c", "email", 0.999, "x"), ("b", "c", "phone", 0.998, "7"), ("a", "b", "model", 0.99, ""))
    assert told(strongest_chain(through_c, ["a", "b"], ["a"], ["b"])) == [("a", "model", "b")]
    value_of_c = edges(("c", "a", "email", 0.999, "x"), ("c", "b", "email", 0.999, "x"))
    assert told(strongest_chain(value_of_c, ["a", "b"], ["a"], ["b"])) == [("a", "email", "b")]


def test_it_leads_from_any_start_to_the_nearest_end() -> None:
    found = strongest_chain(
        edges(("a", "b", "phone", 0.9, "7"), ("c", "d", "email", 0.999, "x")), ALL, ["a", "c", "unknown"], ["b", "d"]
    )
    assert told(found) == [("c", "email", "d")]


NODES = "abcde"
EDGES = st.lists(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES), st.sampled_from([0.5, 0.9, 0.99, 0.9999]))
    .filter(lambda edge: edge[0] != edge[1])
    .map(lambda edge: (edge[0], edge[1], "model", edge[2], "")),
    max_size=9,
)


@given(rows=EDGES)
def test_no_other_chain_is_more_probable(rows: list[tuple[str, str, str, float, str]]) -> None:
    best: dict[frozenset[str], float] = {}
    for left, right, _, probability, _ in rows:
        pair = frozenset((left, right))
        best[pair] = max(best.get(pair, 0.0), probability)
    inner = [way for length in range(4) for way in permutations("bcd", length)]
    ways = [[frozenset(step) for step in pairwise(("a", *way, "e"))] for way in inner]
    possible = [prod(best[step] for step in way) for way in ways if all(step in best for step in way)]
    chain = strongest_chain(edges(*rows), NODES, ["a"], ["e"])
    if chain is None:
        assert possible == []
    else:
        assert prod(link.probability for link in chain) == pytest.approx(max(possible))
        assert (chain[0].from_id, chain[-1].to_id) == ("a", "e")
        assert all(one.to_id == other.from_id for one, other in pairwise(chain))
