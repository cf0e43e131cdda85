"""Profiles: each person's golden record and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cdp.warehouse import Warehouse
from pipelines.profiles.golden import build_profiles
from pipelines.profiles.metrics import write_metrics


def describe_people(warehouse: Warehouse, source_priority: Sequence[str], *, as_of: datetime) -> int:
    """Write the tables of `profiles`; returns the number of profiles.

    Args:
        source_priority: sources whose values take precedence over more recent ones, most trusted first.
    """
    build_profiles(warehouse, source_priority)
    write_metrics(warehouse, as_of)
    return warehouse.count("profiles.profiles")
