"""The rows that a source's SELECT returns for payloads, for tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import polars as pl

from cdp.channels import CHANNEL_NAMES
from cdp.consent import effects_of
from cdp.fields import EVENT_TYPES
from cdp.providers import load_sources
from cdp.sources import MAPPED
from cdp.warehouse import Warehouse, open_memory

SOURCES = load_sources()
RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)

Item = dict[str, Any]
Row = dict[str, Any]

# User agents.
APPLE = "Mozilla/5.0"
PERSON = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"

WITHDRAWN = {"consent_channel": "email", "consent_state": "withdrawn", "consent_scope": "channel"}
GRANTED = {"consent_channel": "email", "consent_state": "granted", "consent_scope": "channel"}


@cache
def scratch() -> Warehouse:
    """One warehouse for all tests: opening it costs more than a mapping. Each use recreates its tables."""
    return open_memory()


def map_items(select: str, items: list[Any]) -> list[Row]:
    """The rows that `select` makes of `items` (one a line), cast to the types of `MAPPED`."""
    warehouse = scratch()
    raw = pl.DataFrame(
        {
            "file_id": ["f" * 16] * len(items),
            "line_number": range(1, len(items) + 1),
            "item_number": [1] * len(items),
            "payload": [json.dumps(item) for item in items],
            "received_at": [RECEIVED] * len(items),
        },
        schema_overrides={"payload": pl.String},
    )
    columns = ", ".join(f"{column.name} {column.type.sql}" for column in MAPPED.columns)
    warehouse.run(f"create or replace table mapped ({columns})")
    with warehouse.frame("rows", raw):
        warehouse.run("create or replace table raw as select * replace (payload::json as payload) from rows")
    warehouse.run(f"insert into mapped by name {select}")
    # Python's calendar ends before DuckDB's; the conforming rules refuse such times.
    return warehouse.query(
        "select * replace (if(occurred_at < timestamptz '3000-01-01', occurred_at, null) as occurred_at) "
        "from mapped order by line_number"
    ).to_dicts()


def mapped(source: str, *items: Any) -> list[Row]:
    return map_items(SOURCES[source].select, list(items))


def seen(row: Row, expected: Row) -> Row:
    """The part of `row` with the columns of `expected`."""
    return {name: row[name] for name in expected}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def properties(row: Row) -> Item:
    return json.loads(row["properties"]) if row["properties"] else {}


def has_an_outcome(row: Row) -> bool:
    if row["refused"]:
        return bool(row["refused_detail"])
    names = ("customer_id", "email", "phone", "device_token", "anonymous_id", "external_ids")
    identified = any(row[name] for name in names)
    if row["event_type"] is None:
        return identified
    return identified and row["event_type"] in EVENT_TYPES and row["channel"] in CHANNEL_NAMES and row["occurred_at"]


def rows_with_outcomes(select: str, items: list[Any]) -> list[Row]:
    """The rows that `select` makes of `items`; fails if an item, or a row, has no outcome."""
    rows = map_items(select, items)
    assert {row["line_number"] for row in rows} == set(range(1, len(items) + 1))
    assert all(map(has_an_outcome, rows))
    return rows


def suppressed(source: str, payload: Item) -> list[str]:
    """The reasons why the address of a payload is suppressed."""
    rows = [{**row, "source": source, "event_id": "e"} for row in mapped(source, payload)]
    return [suppression.reason for suppression in effects_of(rows).suppressions]
