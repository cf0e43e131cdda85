"""The history of runs as tables: `runs` and `quality`, from the reports of all published runs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from cdp import tables
from cdp.runs.ledger import recent_runs
from cdp.runs.report import RunReport
from cdp.store import Store
from cdp.warehouse import Warehouse

# Runs kept in runs.runs: about 13 years of hourly runs.
MAX_HISTORY = 120_000


def published_reports(store: Store) -> list[RunReport]:
    """The reports of the published runs, oldest first."""
    with store.read() as connection:
        texts = recent_runs(connection, MAX_HISTORY).filter("published").sort("started_at")["report"]
    return [RunReport.model_validate_json(text) for text in texts]


def write_history(warehouse: Warehouse, reports: Sequence[RunReport]) -> None:
    """Write runs.* and quality.results from the reports of all published runs."""
    runs = [(report.run_id, report.as_of, report.started_at, json.dumps(report.document())) for report in reports]
    stages = [(report.run_id, stage.name, stage.rows, stage.seconds) for report in reports for stage in report.stages]
    verdicts = [
        (report.run_id, verdict.table, verdict.passed, json.dumps(verdict.model_dump()["failed"]))
        for report in reports
        for verdict in report.quality
    ]
    for table, rows in ((tables.RUNS, runs), (tables.STAGE_ROWS, stages), (tables.QUALITY_RESULTS, verdicts)):
        warehouse.replace_rows(table, pl.DataFrame(rows, schema=table.polars_schema(), orient="row"))
