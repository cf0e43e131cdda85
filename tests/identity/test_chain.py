"""The chain of evidence between two: the strongest one, of what is in force, in the order in which it is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations, groupby, pairwise, permutations
from time import process_time
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp import tables
from cdp.warehouse import Warehouse, open_memory
from identity.chain import Evidence, Link, evidence_in_force, strongest_chain
from identity.clusters import cluster
from tests.identity.observations import hold_resolution
from tests.identity.test_clusters import LINKS, NAMES, NODES, UNLINKS, edges, observed, pairs

pytestmark = pytest.mark.slow

KINDS = {"model": "model", "link": "steward"}


def joining(observations: str, rule: str, probability: float) -> Evidence:
    """Evidence that joins observations of one letter each."""
    return Evidence(KINDS.get(rule, "exact"), rule, probability, 1.0, None, tuple(observations))


def told(chain: list[Link] | None) -> str | None:
    """A chain as `a email b phone c`."""
    if not chain:
        return None if chain is None else ""
    return " ".join([chain[0].from_id, *(f"{link.evidence.rule} {link.to_id}" for link in chain)])


CASES: dict[str, tuple[list[Evidence], str, str | None]] = {
    "a link": ([joining("ab", "email", 0.999)], "ab", "a email b"),
    "a link, told from its other end": ([joining("ab", "email", 0.999)], "ba", "b email a"),
    "a value is one link between any two who hold it": ([joining("abcd", "email", 0.9)], "bd", "b email d"),
    "two strong links are better than a weak one": (
        [joining("ab", "email", 0.999), joining("bc", "phone", 0.998), joining("ac", "model", 0.99)],
        "ac",
        "a email b phone c",
    ),
    "also where all of them together are less probable than the weak one": (
        [*(joining(pair, "email", 0.9) for pair in ("ab", "bc", "cd")), joining("ad", "model", 0.89)],
        "ad",
        "a email b email c email d",
    ),
    "of chains with equal weakest links the one with the fewest links is told": (
        [
            joining("ab", "phone", 0.9),
            joining("bc", "email", 0.99),
            joining("cd", "email", 0.99),
            joining("bd", "phone", 0.9),
        ],
        "ad",
        "a phone b phone d",
    ),
    "of chains with as many links the one with the smallest ids is told": (
        [joining(pair, "email", 0.9) for pair in ("ac", "cd", "ab", "bd")],
        "da",
        "d email b email a",
    ),
    "also if the chain is told from its other end": (
        [joining(pair, "email", 0.9) for pair in ("ab", "be", "ef", "ac", "cd", "df")],
        "fa",
        "f email e email b email a",
    ),
    "of the links between two the strongest is told": (
        [joining("ab", "phone", 0.998), joining("ab", "email", 0.999), joining("bc", "model", 0.98)],
        "ac",
        "a email b model c",
    ),
    "two values in a row are two links": (
        [joining("ab", "email", 0.999), joining("bc", "email", 0.999)],
        "ac",
        "a email b email c",
    ),
    "no chain": ([joining("ab", "email", 0.999), joining("cd", "email", 0.999)], "ad", None),
    "no evidence at all": ([], "ab", None),
    "itself": ([], "aa", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_strongest_chain(case: str) -> None:
    evidence, (start, end), expected = CASES[case]
    assert told(strongest_chain(evidence, [start], [end])) == expected


def test_it_leads_from_any_start_to_any_end() -> None:
    evidence = [joining("ab", "phone", 0.9), joining("cd", "email", 0.999)]
    assert told(strongest_chain(evidence, ["a", "c", "unknown"], ["b", "d"])) == "c email d"
    assert told(strongest_chain(evidence, ["b", "d"], ["a", "c", "unknown"])) == "d email c"
    assert told(strongest_chain(evidence, ["a", "b"], ["b", "d"])) == ""


IDS = "abcdef"
PROBABILITIES = st.sampled_from([0.5, 0.9, 0.99, 0.9999])
JOINED = st.sets(st.sampled_from(IDS), min_size=2, max_size=4)
PIECES = st.lists(st.tuples(JOINED, st.sampled_from(["email", "phone", "model"]), PROBABILITIES), max_size=8)
ENDS = st.sets(st.sampled_from(IDS), min_size=1, max_size=2)


def best_of_all(evidence: list[Evidence], starts: set[str], ends: set[str]) -> tuple[str, ...] | None:
    """The observations that the strongest chain passes, by trying every way from the side with the smaller ids."""
    links: dict[frozenset[str], float] = {}
    for one in evidence:
        for pair in map(frozenset, combinations(one.observations, 2)):
            links[pair] = max(links.get(pair, 0.0), one.probability)
    first, last = sorted((starts, ends), key=sorted)
    ways = [way for length in range(2, len(IDS) + 1) for way in permutations(IDS, length)]
    possible = []
    for way in ways:
        steps = [links.get(frozenset(step), 0.0) for step in pairwise(way)]
        if way[0] in first and way[-1] in last and min(steps) > 0:
            possible.append((-min(steps), len(steps), way))
    if not possible:
        return None
    best = min(possible)[2]
    return best if first == starts else best[::-1]


@given(pieces=PIECES, starts=ENDS, ends=ENDS)
def test_no_other_chain_is_stronger(
    pieces: list[tuple[set[str], str, float]], starts: set[str], ends: set[str]
) -> None:
    evidence = [joining("".join(sorted(joined)), rule, probability) for joined, rule, probability in pieces]
    chain = strongest_chain(evidence, starts, ends)
    if starts & ends:
        assert chain == []
        return
    expected = best_of_all(evidence, starts, ends)
    if chain is None:
        assert expected is None
        return
    assert (chain[0].from_id, *(link.to_id for link in chain)) == expected
    assert all(one.to_id == other.from_id for one, other in pairwise(chain))
    for link in chain:
        between = [one.probability for one in evidence if {link.from_id, link.to_id} <= set(one.observations)]
        assert link.evidence.probability == max(between)


@given(pieces=PIECES, starts=ENDS, ends=ENDS, order=st.randoms())
def test_it_depends_on_neither_the_order_of_the_evidence_nor_the_end_asked_first(
    pieces: list[tuple[set[str], str, float]], starts: set[str], ends: set[str], order: Any
) -> None:
    evidence = [joining("".join(sorted(joined)), rule, probability) for joined, rule, probability in pieces]
    chain = strongest_chain(evidence, starts, ends)
    order.shuffle(evidence)
    back = strongest_chain(evidence, ends, starts)
    assert told(back) == told(None if chain is None else [link.turned() for link in reversed(chain)])


MANY = [f"{number:04}" for number in range(5000)]
LARGE = {
    "a value that all of them hold": [Evidence("exact", "email", 0.999, 1.0, None, MANY)],
    "a chain of all of them": [Evidence("exact", "email", 0.999, 1.0, None, pair) for pair in pairwise(MANY)],
}


@pytest.mark.parametrize(("shape", "length"), list(zip(LARGE, (1, 4999), strict=True)))
def test_a_profile_of_thousands_is_searched_in_a_fraction_of_a_second(shape: str, length: int) -> None:
    begun = process_time()
    chain = strongest_chain(LARGE[shape], MANY[:1], MANY[-1:])
    assert process_time() - begun < 1
    assert chain is not None
    assert len(chain) == length


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    opened = open_memory()
    opened.create_tables([tables.MEMBERS, tables.EDGES, tables.REFUSALS])
    yield opened
    opened.close()


STAR = edges(("a", "b", 9.0), ("a", "c", 9.0), ("a", "d", 9.0))
MODEL = {"kind": "model", "value": ""}
IN_FORCE: dict[str, tuple[str, pl.DataFrame, list[tuple[str, ...]], str | None]] = {
    "a value joins its holders, also where the first of them is somebody else": (
        "-bcd",
        STAR,
        [("a", "b", "exact"), ("a", "c", "exact"), ("a", "d", "exact")],
        "b exact c",
    ),
    "what was refused is not told of two who were joined otherwise": (
        "abcd",
        pl.concat([STAR, edges(("b", "d", 9.0), value="y")]),
        [("a", "b", "exact")],
        "b exact d exact c",
    ),
    "what the model found alike and a constraint refused is not told": (
        "abc-",
        pl.concat([edges(("b", "c", 9.0), **MODEL), edges(("a", "b", 9.0), ("a", "c", 9.0), **MODEL)]),
        [("b", "c", "model")],
        "b model a model c",
    ),
    "of two values that link the same two one may be refused": (
        "-bc-",
        pl.concat([edges(("b", "c", 9.0), value="x"), edges(("b", "c", 9.0), value="y")]),
        [("b", "c", "exact")],
        "b exact c",
    ),
    "nothing leads through somebody else": ("-bc-", edges(("b", "d", 9.0), ("d", "c", 9.0), **MODEL), [], None),
}


@pytest.mark.parametrize("case", IN_FORCE)
def test_what_is_in_force(case: str, warehouse: Warehouse) -> None:
    members, found, refused, expected = IN_FORCE[case]
    places = {one: "asked" if one in members else "another" for one in "abcd"}
    hold_resolution(warehouse, places, found, refused)
    assert told(strongest_chain(evidence_in_force(warehouse, "asked"), ["b"], ["c"])) == expected


def test_an_observation_that_has_left_holds_nothing_together(warehouse: Warehouse) -> None:
    hold_resolution(warehouse, dict.fromkeys("abc", "asked"), edges(("a", "b", 9.0), ("b", "c", 9.0), **MODEL), [])
    warehouse.run("update identity.members set valid_to_run = valid_from_run where observation_id = 'b'")
    assert evidence_in_force(warehouse, "asked") == []


EDGE = ["left_id", "right_id", "kind"]


@settings(max_examples=60)
@given(
    names=NAMES,
    links=LINKS,
    unlinks=UNLINKS,
    kinds=st.lists(st.sampled_from(["exact", "model", "steward"]), min_size=14),
)
def test_every_two_of_a_profile_are_joined_by_what_no_constraint_refused(
    warehouse: Warehouse,
    names: list[str | None],
    links: list[tuple[str, str, float]],
    unlinks: list[tuple[str, str]],
    kinds: list[str],
) -> None:
    people = observed(*((node, name, None) for node, name in zip(NODES, names, strict=True)))
    found = pl.concat([edges(), *(edges(link, kind=kind) for link, kind in zip(links, kinds, strict=False))])
    # All that a value joins weighs the same. A rule of its own for each first holder tells its value from others.
    weight = pl.when(pl.col("kind") == "exact").then(9.0).otherwise("weight")
    found = found.with_columns(weight=weight, rule=pl.concat_str("kind", "left_id")).unique(EDGE, keep="first")
    clustering = cluster(people, found, pairs(*unlinks))
    places, refused = dict(clustering.clusters.iter_rows()), clustering.refusals.select("left_id", "right_id", "rule")
    hold_resolution(warehouse, places, found, refused.rows())
    for profile, members in groupby(sorted(places, key=lambda one: (places[one], one)), key=places.__getitem__):
        evidence = evidence_in_force(warehouse, profile)
        for left, right in combinations(members, 2):
            chain = strongest_chain(evidence, [left], [right])
            assert chain
            told_of = {(one, other, link.evidence.rule) for link in chain for one, other in ends_of(link)}
            assert told_of.isdisjoint(refused.rows())


def ends_of(link: Link) -> list[tuple[str, str]]:
    return [(link.from_id, link.to_id), (link.to_id, link.from_id)]


@pytest.mark.parametrize("module", ["identity.chain", "identity.references"])
def test_what_the_api_needs_of_it_is_light(module: str) -> None:
    heavy = f"import sys, {module}; print(sorted({{'scipy', 'splink', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
