"""How right the resolution is, against a truth: pure functions over tables."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Pairwise:
    """Pairs of records that are said to be one person, against those that are."""

    true_pairs: int
    predicted_pairs: int
    shared_pairs: int

    @property
    def precision(self) -> float:
        return self.shared_pairs / self.predicted_pairs if self.predicted_pairs else 1.0

    @property
    def recall(self) -> float:
        return self.shared_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def pairwise(records: pl.DataFrame) -> Pairwise:
    """Count pairs in a frame of record_id, cluster_id (as resolved) and entity_id (as true)."""
    return Pairwise(
        true_pairs=_pairs(records, "entity_id"),
        predicted_pairs=_pairs(records, "cluster_id"),
        shared_pairs=_pairs(records, "cluster_id", "entity_id"),
    )


def _pairs(records: pl.DataFrame, *columns: str) -> int:
    sizes = records.group_by(*columns).agg(pl.len().cast(pl.Int64).alias("size"))["size"]
    return int((sizes * (sizes - 1) // 2).sum())
