"""The metrics of a profile's document: whole numbers in full, windows where something happened."""

from __future__ import annotations

import json
from typing import Any

from cdp.metrics.catalogue import EMPTY_WINDOWS, METRICS
from pipelines.publish.documents import document_of_metrics
from tests.pipelines.profiles.test_metrics import measured, order


def documented(events: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics as a document holds them, and the row that they come from."""
    warehouse = measured(events, people=("ann",))
    text = warehouse.scalar(f"select {document_of_metrics()} from profiles.metrics m")
    row = warehouse.scalar("select to_json(m) from profiles.metrics m")
    return json.loads(text), json.loads(row)


def test_windows_are_left_out_where_nothing_happened() -> None:
    document, row = documented([])
    assert document == {name: value for name, value in row.items() if name not in EMPTY_WINDOWS}


def test_with_empty_windows_a_document_says_what_the_table_says() -> None:
    document, row = documented([order(40, 12.5)])
    assert {name for name in document if name in EMPTY_WINDOWS} == {
        f"{name}_{days}d" for name in ("order_count", "order_value", "active_day_count") for days in (90, 365)
    }
    assert EMPTY_WINDOWS | document == row
    assert len(EMPTY_WINDOWS) == sum(metric.window_days is not None for metric in METRICS)
