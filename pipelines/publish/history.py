"""The history of runs as tables: `runs` and `quality`, from the reports of all published runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from cdp import tables
from cdp.warehouse import Warehouse


def write_history(warehouse: Warehouse, reports: Sequence[Mapping[str, Any]]) -> None:
    """Write runs.* and quality.results from the reports of all published runs."""
    runs = [
        (report["run_id"], _time(report["as_of"]), _time(report["started_at"]), json.dumps(report))
        for report in reports
    ]
    stages = [
        (report["run_id"], stage["name"], stage["rows"], stage["seconds"])
        for report in reports
        for stage in report["stages"]
    ]
    verdicts = [
        (report["run_id"], verdict["table"], verdict["passed"], json.dumps(verdict["failed"]))
        for report in reports
        for verdict in report["quality"]
    ]
    for table, rows in ((tables.RUNS, runs), (tables.STAGE_ROWS, stages), (tables.QUALITY_RESULTS, verdicts)):
        warehouse.replace_rows(table, pl.DataFrame(rows, schema=table.polars_schema(), orient="row"))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
