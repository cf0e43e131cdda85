"""The schema `quality`: the verdicts of the gate."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Table

QUALITY_RESULTS = Table(
    "quality",
    "results",
    "the verdict on one table in one run",
    (
        Column("run_id", f.RunId, True),
        Column("table_name", f.Text, True),
        Column("passed_count", f.Count, True, "expectations met"),
        Column("failed", f.Json, True, "the expectations broken, in words"),
    ),
    key=("run_id", "table_name"),
)
