"""Profiles: each person's golden record, and its traits with their lineage."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from cdp import fields, tables
from cdp.warehouse import Warehouse
from pipelines.statements import statement


def build_profiles(warehouse: Warehouse, source_priority: Sequence[str]) -> None:
    """Write profiles.traits and profiles.profiles.

    Args:
        source_priority: sources whose values take precedence over more recent ones, most trusted first.
    """
    priority = pl.DataFrame(
        {"source": list(source_priority), "rank": range(len(source_priority))},
        schema={"source": pl.String, "rank": pl.Int64},
    )
    with (
        warehouse.frame("source_priority", priority),
        warehouse.frame("core_traits", core_traits()),
    ):
        warehouse.run(statement("profiles/traits"), name=tables.TRAITS.full_name)
    warehouse.run(statement("profiles/profiles"), name=tables.PROFILES.full_name)


def core_traits() -> pl.DataFrame:
    """trait: the traits with a column of their own."""
    return pl.DataFrame({"trait": fields.CORE_TRAITS})
