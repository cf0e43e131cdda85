"""A minimal published warehouse about Ann and Bob."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from cdp import tables
from cdp.contract import Table
from cdp.settings import Settings
from cdp.warehouse import Warehouse, open_working_copy, publish
from tests.api.service import ANN, BOB, NOW, OLD

RUN = "run_20260701T120000_000001"
FILE = "f" * 16
# Observations of Ann by three sources, of which the last two share no identifier, and one of Bob.
CRM, SHOP, PUSH, BOBS = (f"{number:032x}" for number in range(1, 5))


def event_id(number: int) -> str:
    return f"{number:032x}"


def event(number: int, at: datetime, name: str = "open", **more: Any) -> dict[str, Any]:
    return {
        **{"event_id": event_id(number), "source": "sendgrid", "channel": "email", "event_type": "opened"},
        **{"event_name": name, "occurred_at": at, "received_at": at, "observation_id": CRM, "is_machine": False},
        **{"file_id": FILE, "line_number": number + 1, **more},
    }


# Two events at the same time, so that order cannot depend on time alone.
EVENTS = [
    event(0, NOW - timedelta(days=3)),
    event(1, NOW - timedelta(days=2), "click", event_type="clicked", properties=json.dumps({"url": "x"})),
    event(2, NOW - timedelta(days=2), "Order Completed", event_type="ordered", amount="12.50", currency="CHF"),
    event(3, NOW - timedelta(days=1), observation_id=SHOP),
    event(4, NOW - timedelta(hours=1), observation_id=PUSH),
    event(9, NOW, observation_id=BOBS),
]
MEMBERS = [(CRM, ANN), (SHOP, ANN), (PUSH, ANN), (BOBS, BOB)]
IDENTIFIERS = [
    (CRM, "customer_id", "crm:1"),
    (CRM, "email", "ann@example.com"),
    (SHOP, "email", "ann@example.com"),
    (SHOP, "phone", "+14155550100"),
    (PUSH, "device_token", "dQw4w9WgXcQ"),
    (PUSH, "customer_id", "crm:1"),
    (BOBS, "phone", "+14155550100"),
]
EDGES = [
    (SHOP, CRM, "email", 0.999, "ann@example.com"),
    (CRM, PUSH, "customer_id", 0.9999, "crm:1"),
    (SHOP, PUSH, "model", 0.9, None),
]


def publish_warehouse(settings: Settings, events: list[dict[str, Any]] = EVENTS) -> None:
    """Publish a warehouse, as a run does."""
    scratch = settings.home / "work" / RUN
    scratch.mkdir(parents=True, exist_ok=True)
    warehouse = open_working_copy(settings, scratch, empty=True)
    warehouse.create_tables(tables.TABLES)
    for table, rows in _rows(events).items():
        _append(warehouse, table, rows)
    publish(warehouse, scratch, settings).close()


def _append(warehouse: Warehouse, table: Table, rows: list[dict[str, Any]]) -> None:
    named = {name for row in rows for name in row}
    schema = {name: kind for name, kind in table.polars_schema().items() if name in named}
    texts = {name: pl.String() if "Decimal" in str(kind) else kind for name, kind in schema.items()}
    warehouse.append_rows(table, pl.DataFrame(rows, schema=texts).cast(schema))


def _rows(events: list[dict[str, Any]]) -> dict[Table, list[dict[str, Any]]]:
    seen = {"first_seen_at": NOW - timedelta(days=9), "last_seen_at": NOW}
    lineage = {"file_id": FILE, "line_number": 1}
    return {
        tables.FILES: [
            {
                **{"file_id": FILE, "source": "sendgrid", "format": "sendgrid", "path": "sendgrid.jsonl"},
                **{"sha256": "a" * 64, "byte_count": 1, "row_count": 9, "reject_count": 0},
                **{"landed_at": NOW, "run_id": RUN},
            }
        ],
        tables.OBSERVATIONS: [
            {"observation_id": one, "source": "crm", "is_verified": True, "event_count": 1, **seen, **lineage}
            for one, _ in MEMBERS
        ],
        tables.EVENTS: events,
        tables.IDENTIFIERS: [
            {"observation_id": one, "type": kind, "value": value, **seen} for one, kind, value in IDENTIFIERS
        ],
        tables.EDGES: [
            {
                **{"left_id": left, "right_id": right, "kind": "model" if rule == "model" else "exact"},
                **{"rule": rule, "probability": probability, "weight": 9.0},
                "evidence": json.dumps({"type": rule, "value": value}) if value else None,
            }
            for left, right, rule, probability, value in EDGES
        ],
        tables.MEMBERS: [{"observation_id": one, "profile_id": owner, "valid_from_run": RUN} for one, owner in MEMBERS],
        tables.SEGMENT_CATALOGUE: [
            {"segment": name, "position": position, "title": title, "words": "order count is at least 2", "rule": "{}"}
            for position, (name, title) in enumerate([("loyal", "Bought twice or more"), ("lost", "Gone")])
        ],
        tables.MEMBERSHIPS: [{"profile_id": owner, "segment": "loyal", "entered_at": NOW} for owner in (ANN, BOB)],
        tables.SEGMENT_CHANGES: [
            {"profile_id": owner, "segment": segment, "change": change, "changed_at": NOW, "run_id": RUN}
            for owner, segment, change in [
                *((ANN, "loyal", "entered"), (BOB, "loyal", "entered")),
                *((OLD, "lost", "entered"), (OLD, "lost", "left")),
            ]
        ],
        tables.RUNS: [{"run_id": RUN, "as_of": NOW, "started_at": NOW, "report": "{}"}],
    }
