"""Whether two given names may belong to one person: one rule, in SQL for tables and in Python for clustering."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import polars as pl
from nicknames import name_triplets
from rapidfuzz.distance import JaroWinkler

# DuckDB's jaro_winkler_similarity is the same function of the same library.
LIKENESS = 0.9
SHORTEST_COMPARED = 4

NAMES_ALIKE = f"""
create or replace temp macro names_alike(a, a_forms, b, b_forms) as
    a = b
    or list_has_any(a_forms, b_forms)
    or (least(length(a), length(b)) = 1 and a[1] = b[1])
    or (least(length(a), length(b)) >= {SHORTEST_COMPARED} and jaro_winkler_similarity(a, b) >= {LIKENESS});
"""


def alike(a: str, a_forms: AbstractSet[str], b: str, b_forms: AbstractSet[str]) -> bool:
    """Whether two names are equal, nicknames of one name, a name and its initial, or a typo apart."""
    if a == b or not a_forms.isdisjoint(b_forms):
        return True
    shortest = min(len(a), len(b))
    if shortest == 1:
        return a[0] == b[0]
    return shortest >= SHORTEST_COMPARED and JaroWinkler.similarity(a, b) >= LIKENESS


def given_forms() -> pl.DataFrame:
    """Nicknames: a frame of given_name and forms, the full names that it stands for, itself included.

    Source: the `nicknames` package. Bill and Will share the form william, so they may be one person.
    """
    pairs = pl.DataFrame(
        [(triplet.name2, triplet.name1) for triplet in name_triplets() if triplet.relationship == "has_nickname"],
        schema=["given_name", "form"],
        orient="row",
    )
    itself = pairs.select("given_name", form=pl.col("given_name"))
    return (
        pl.concat([pairs, itself])
        .unique()
        .group_by("given_name")
        .agg(pl.col("form").sort().alias("forms"))
        .sort("given_name")
    )
