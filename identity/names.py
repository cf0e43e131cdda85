"""Whether two given names may belong to one person: the same rules in SQL for tables and in Python for clustering."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache

import polars as pl
from nicknames import name_triplets
from rapidfuzz.distance import DamerauLevenshtein, JaroWinkler

# DuckDB's jaro_winkler_similarity and damerau_levenshtein are the same functions of the same library.
LIKENESS = 0.9
SHORTEST_COMPARED = 4
# Tim and Tom are two people, Mary and Mry may be one: so near names are one person's only where more speaks for it.
SHORTEST_MISSPELT = 3

NAMES_ALIKE = f"""
create or replace temp macro names_alike(a, a_forms, b, b_forms) as
    a = b
    or list_has_any(a_forms, b_forms)
    or (least(length(a), length(b)) = 1 and a[1] = b[1])
    or (least(length(a), length(b)) >= {SHORTEST_COMPARED} and jaro_winkler_similarity(a, b) >= {LIKENESS});

create or replace temp macro one_edit(a, b) as
    least(length(a), length(b)) >= {SHORTEST_MISSPELT} and damerau_levenshtein(a, b) <= 1;

create or replace temp macro nearly_alike(a, a_called, b, b_called) as
    one_edit(a, b)
    or len(list_filter(a_called, lambda name: one_edit(name, b))) > 0
    or len(list_filter(b_called, lambda name: one_edit(a, name))) > 0;
"""


def alike(a: str, a_forms: AbstractSet[str], b: str, b_forms: AbstractSet[str]) -> bool:
    """Whether two names are equal, nicknames of one name, a name and its initial, or a typo apart."""
    if a == b or not a_forms.isdisjoint(b_forms):
        return True
    shortest = min(len(a), len(b))
    if shortest == 1:
        return a[0] == b[0]
    return shortest >= SHORTEST_COMPARED and JaroWinkler.similarity(a, b) >= LIKENESS


def nearly_alike(a: str, b: str) -> bool:
    """Whether a letter is wrong, missing, doubled or in its neighbour's place between two names, or between one and
    another that who bears the other is called by, such as Miek for Mike, who is Michael.
    """
    called = _called()
    return any(_one_edit(name, b) for name in called.get(a, (a,))) or any(
        _one_edit(a, name) for name in called.get(b, (b,))
    )


def _one_edit(a: str, b: str) -> bool:
    return min(len(a), len(b)) >= SHORTEST_MISSPELT and DamerauLevenshtein.distance(a, b, score_cutoff=1) <= 1


@cache
def _called() -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(called) for name, called in given_forms().select("given_name", "called").iter_rows()}


@cache
def given_forms() -> pl.DataFrame:
    """Nicknames: a frame of given_name, forms, the full names that it stands for, and called, the names that stand for
    one of them; both include itself.

    Source: the `nicknames` package. Bill and Will share the form william, so they may be one person.
    """
    pairs = pl.DataFrame(
        [(triplet.name2, triplet.name1) for triplet in name_triplets() if triplet.relationship == "has_nickname"],
        schema=["given_name", "form"],
        orient="row",
    )
    itself = pl.concat([pairs.select("given_name"), pairs.select(given_name="form")]).select(
        "given_name", form="given_name"
    )
    of_name = pl.concat([pairs, itself]).unique()
    called = of_name.join(of_name.rename({"given_name": "called"}), on="form")
    return (
        of_name.group_by("given_name")
        .agg(forms=pl.col("form").sort())
        .join(called.group_by("given_name").agg(pl.col("called").unique().sort()), on="given_name")
        .sort("given_name")
    )
