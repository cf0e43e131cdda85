"""The demo's figures: the pairs of the truth that can be found."""

from __future__ import annotations

import polars as pl

from identity.evaluate import as_findable, pairwise

PEOPLE = pl.DataFrame(
    [
        ("a1", "one", "ann"),
        ("a2", "one", "ann"),
        ("a3", "two", "ann"),
        ("a4", "three", "ann"),
        ("b1", "one", "bob"),
        ("b2", "four", "bob"),
    ],
    schema=["record_id", "cluster_id", "entity_id"],
    orient="row",
)

# a1 and a3 have nothing in common but a2; a4 shows nothing; a1 and b1 share a telephone, and are two people.
EVIDENCE = pl.DataFrame(
    [
        ("a1", "email x"),
        ("a2", "email x"),
        ("a2", "phone 7"),
        ("a3", "phone 7"),
        ("b1", "email x"),
        ("b2", "device d"),
    ],
    schema=["record_id", "evidence"],
    orient="row",
)


def test_findable_pairs_are_linked_by_a_chain_of_evidence() -> None:
    parts = as_findable(PEOPLE, EVIDENCE).sort("record_id")
    assert parts["entity_id"].to_list() == ["a1", "a1", "a1", "a4", "b1", "b2"]
    assert parts["cluster_id"].to_list() == PEOPLE["cluster_id"].to_list()


def test_recall_of_all_pairs_and_of_the_findable_ones() -> None:
    # Of the seven true pairs three can be found (a1 a2, a1 a3, a2 a3); one of these is (a1 a2).
    assert pairwise(PEOPLE).recall == 1 / 7
    assert pairwise(as_findable(PEOPLE, EVIDENCE)).recall == 1 / 3
