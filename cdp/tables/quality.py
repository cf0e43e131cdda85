"""The schema `quality`: the verdicts of the gate."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Table

QUALITY_RESULTS = Table(
    "quality",
    "results",
    "the verdict on a table in a run",
    (
        Column("run_id", f.RunId, True),
        Column("table_name", f.Text, True),
        Column("passed_count", f.Count, True, "expectations that hold"),
        Column("failed", f.Json, True, "broken expectations, in words"),
    ),
    key=("run_id", "table_name"),
)
