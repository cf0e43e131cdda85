"""Why two observations are in one profile: the strongest chain of evidence between them."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any


@dataclass(frozen=True)
class Edge:
    """A piece of evidence that two observations are one person."""

    left_id: str
    right_id: str
    kind: str
    rule: str
    probability: float
    evidence: Any


def strongest_path(edges: Iterable[Edge], starts: Collection[str], ends: Collection[str]) -> list[Edge] | None:
    """The edges, in order, of the most probable chain from one of `starts` to one of `ends`; the shortest of equals.

    Each edge is turned the way that the chain goes. Empty where an observation is both; None where no chain leads
    there. This is Dijkstra's algorithm over −log p.
    """
    neighbours: dict[str, list[tuple[str, Edge]]] = defaultdict(list)
    for edge in edges:
        neighbours[edge.left_id].append((edge.right_id, edge))
        neighbours[edge.right_id].append((edge.left_id, edge))
    came_by: dict[str, tuple[str, Edge] | None] = {}
    turn = count()  # so that the queue never compares edges
    queue: list[tuple[float, int, int, str, tuple[str, Edge] | None]] = [
        (0.0, 0, next(turn), start, None) for start in sorted(starts)
    ]
    while queue:
        doubt, steps, _, here, step = heapq.heappop(queue)
        if here in came_by:
            continue
        came_by[here] = step
        if here in ends:
            return _way_back(came_by, here)
        for there, edge in neighbours[here]:
            if there not in came_by and edge.probability > 0:
                cost = doubt - math.log(edge.probability)
                heapq.heappush(queue, (cost, steps + 1, next(turn), there, (here, edge)))
    return None


def _way_back(came_by: dict[str, tuple[str, Edge] | None], end: str) -> list[Edge]:
    path = []
    while step := came_by[end]:
        before, edge = step
        path.append(replace(edge, left_id=before, right_id=end))
        end = before
    return path[::-1]
