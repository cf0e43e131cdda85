"""The evidence that needs no model: what identifiers are worth, whom they join, and which others to compare."""

from __future__ import annotations

import polars as pl

from cdp.warehouse import Warehouse
from identity import edges, super_records, values
from identity.blocking import block
from identity.state import prepare


def find_candidates(warehouse: Warehouse, patterns: pl.DataFrame, *, rules: str) -> None:
    """Update the exact evidence and the super-records; write `candidate_pairs`, the pairs for a model to score.

    Args:
        patterns: patterns of junk and generic values: type, pattern, quality, reason.
        rules: a digest of all rules; if it is not that of the last resolution, everything is examined again.
    """
    prepare(warehouse, rules)
    values.judge(warehouse, patterns)
    edges.join_shared_values(warehouse)
    super_records.regroup(warehouse)
    block(warehouse)
