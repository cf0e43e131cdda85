"""The strongest chain of evidence between two observations of one profile.

`cdp identity explain` and the API both use this search, so they always show the same chain. A chain is as strong as its
weakest link: the result is the chain whose weakest link is the most probable. Ties are broken by the number of links,
then by the smallest observation ids, read from the end with the smaller id.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from cdp.warehouse import Warehouse
from identity.sql import statement


@dataclass(frozen=True, eq=False)
class Evidence:
    """A reason to believe that `observations`, two or more, are one person.

    A value links all observations that have it; the model and stewards link two.

    probability: the confidence in it. weight: log2 odds. document: JSON with the shared value, or the weight of each
    field; None for a steward's decision.
    """

    kind: str
    rule: str
    probability: float
    weight: float
    document: str | None
    observations: Sequence[str]

    @property
    def details(self) -> Any:
        """The parsed document."""
        return json.loads(self.document) if self.document else None


@dataclass(frozen=True)
class Link:
    """A step of a chain, with its direction."""

    from_id: str
    to_id: str
    evidence: Evidence

    def turned(self) -> Link:
        """The same step in the other direction."""
        return Link(self.to_id, self.from_id, self.evidence)


def evidence_in_force(warehouse: Warehouse, profile_id: str) -> list[Evidence]:
    """The evidence within a profile, without links that a constraint or a steward has refused."""
    found = warehouse.query(statement("evidence_in_force"), [profile_id])
    return [Evidence(*row) for row in found.iter_rows()]


def strongest_chain(
    evidence: Collection[Evidence], starts: Collection[str], ends: Collection[str]
) -> list[Link] | None:
    """The strongest chain from any of `starts` to any of `ends`.

    Empty if an observation is both a start and an end; None if no evidence connects them.
    """
    if not set(starts).isdisjoint(ends):
        return []
    if sorted(starts) > sorted(ends):
        chain = strongest_chain(evidence, ends, starts)
        return None if chain is None else [link.turned() for link in reversed(chain)]
    weakest = _weakest_link(_by_observation(evidence), starts, set(ends))
    if weakest is None:
        return None
    strong = _by_observation(one for one in evidence if one.probability >= weakest)
    return _shortest_chain(strong, starts, ends)


def _by_observation(evidence: Iterable[Evidence]) -> Mapping[str, Sequence[Evidence]]:
    """The evidence of each observation, the strongest first."""
    found = defaultdict(list)
    for one in sorted(evidence, key=_strongest_first):
        for observation in one.observations:
            found[observation].append(one)
    return found


def _strongest_first(evidence: Evidence) -> tuple[float, float, str, str]:
    return -evidence.probability, -evidence.weight, evidence.rule, evidence.document or ""


def _weakest_link(
    evidence: Mapping[str, Sequence[Evidence]], starts: Collection[str], ends: Collection[str]
) -> float | None:
    """The probability of the weakest link of the strongest chain.

    From the starts, the strongest available link is followed until an end is reached (Prim's algorithm): every chain
    contains a link that is at most as strong as the weakest one followed.
    """
    reached: set[str] = set()
    followed: set[Evidence] = set()
    weakest, queue = 1.0, [(-1.0, start) for start in sorted(starts)]
    while queue:
        doubt, here = heappop(queue)
        if here in reached:
            continue
        weakest = min(weakest, -doubt)
        if here in ends:
            return weakest
        reached.add(here)
        leading = [one for one in evidence.get(here, ()) if one not in followed]
        followed.update(leading)
        for one in leading:
            for there in one.observations:
                heappush(queue, (-one.probability, there))
    return None


def _shortest_chain(
    evidence: Mapping[str, Sequence[Evidence]], starts: Collection[str], ends: Collection[str]
) -> list[Link]:
    """The chain with the fewest links; of several, the one with the smallest ids. At least one must exist."""
    distance = _distances(evidence, ends)
    here = min((start for start in starts if start in distance), key=lambda start: (distance[start], start))
    chain = []
    while distance[here]:
        nearer = {
            there: one
            for one in reversed(evidence[here])
            for there in one.observations
            if distance.get(there) == distance[here] - 1
        }
        there = min(nearer)
        chain.append(Link(here, there, nearer[there]))
        here = there
    return chain


def _distances(evidence: Mapping[str, Sequence[Evidence]], ends: Collection[str]) -> dict[str, int]:
    """The number of links from each observation to the nearest of `ends`."""
    distance, layer, count = dict.fromkeys(ends, 0), set(ends), 0
    while layer:
        leading = {one for here in layer for one in evidence.get(here, ())}
        layer = {there for one in leading for there in one.observations} - distance.keys()
        count += 1
        distance |= dict.fromkeys(layer, count)
    return distance
