"""The strongest chain of evidence between two observations of one profile: a pure function of its edges."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

# Breaks ties between chains of one probability in favour of the shorter one.
STEP = 1e-9
COLUMNS = ("left_id", "right_id", "kind", "rule", "probability", "weight", "evidence")


@dataclass(frozen=True)
class Link:
    """A step of a chain, in its direction: a piece of evidence between two observations.

    evidence: the edge's JSON: the value shared, or the weight of each field.
    """

    from_id: str
    to_id: str
    kind: str
    rule: str
    probability: float
    weight: float
    evidence: str | None


def strongest_chain(
    edges: pl.DataFrame, members: Collection[str], starts: Collection[str], ends: Collection[str]
) -> list[Link] | None:
    """The chain from any of `starts` to any of `ends` that is most probably right, the shorter of two such.

    A chain is as probable as all of its links together, and leads through `members` only. None where no chain leads
    there; empty where an observation is both a start and an end.

    Args:
        edges: left_id, right_id, kind, rule, probability, weight, evidence.
    """
    if not set(starts).isdisjoint(ends):
        return []
    steps = _steps(edges, set(members))
    places = {node: place for place, node in enumerate(sorted({node for pair in steps for node in pair}))}
    sources = sorted(places[name] for name in starts if name in places)
    targets = sorted(places[name] for name in ends if name in places)
    if not sources or not targets:
        return None
    costs, before, _ = dijkstra(_costs(steps, places), indices=sources, return_predecessors=True, min_only=True)
    target = min(targets, key=lambda place: (costs[place], place))
    if not np.isfinite(costs[target]):
        return None
    nodes, route = list(places), [target]
    while before[route[-1]] >= 0:
        route.append(int(before[route[-1]]))
    return list(_links([nodes[place] for place in reversed(route)], steps))


def _steps(edges: pl.DataFrame, members: set[str]) -> dict[tuple[str, str], Link]:
    """The strongest step between two nodes, under both directions.

    All holders of a value are linked through one of them, which may be in another profile: so the value itself is a
    node between its holders, and what leads through it is one link.
    """
    found: dict[tuple[str, str], Link] = {}
    for row in edges.select(COLUMNS).sort("probability", "weight", "rule", "evidence").iter_rows():
        link = Link(*row)
        value = f"={link.rule}={link.evidence}={link.from_id}"
        pairs = [(link.from_id, value), (link.to_id, value)] if link.kind == "exact" else [(link.from_id, link.to_id)]
        for one, other in pairs:
            if one in members and (other == value or other in members):
                found[one, other] = found[other, one] = link
    return found


def _costs(steps: Mapping[tuple[str, str], Link], places: Mapping[str, int]) -> csr_matrix:
    """The negative logarithm of each probability, so that the shortest way is the most probable one; a value is reached
    with half of its cost and left with the other half."""
    rows, columns = zip(*((places[start], places[end]) for start, end in steps), strict=True)
    costs = [(STEP - np.log(link.probability)) / (2 if link.kind == "exact" else 1) for link in steps.values()]
    return csr_matrix((costs, (rows, columns)), shape=(len(places), len(places)))


def _links(route: list[str], steps: Mapping[tuple[str, str], Link]) -> Iterator[Link]:
    """The links along a route of observations, and of values between them."""
    place = 0
    while place < len(route) - 1:
        link = steps[route[place], route[place + 1]]
        length = 2 if link.kind == "exact" else 1
        yield replace(link, from_id=route[place], to_id=route[place + length])
        place += length
