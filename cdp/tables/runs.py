"""The schema `runs`: runs and their stages."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Table

RUNS = Table(
    "runs",
    "runs",
    "a published run",
    (
        Column("run_id", f.RunId, True),
        Column("as_of", f.UtcTime, True),
        Column("started_at", f.UtcTime, True),
        Column("report", f.Json, True, "the output of `cdp run --json`"),
    ),
    key=("run_id",),
)

STAGE_ROWS = Table(
    "runs",
    "stages",
    "a stage of a run",
    (
        Column("run_id", f.RunId, True),
        Column("name", f.Text, True),
        Column("rows", f.Count, True),
        Column("seconds", f.Number, True),
    ),
)
