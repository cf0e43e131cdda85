"""A warehouse of hand-written people: what conforming and linking would have left there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import polars as pl

from cdp import tables
from cdp.warehouse import Warehouse
from pipelines.statements import statement
from tests.pipelines.runs import NOW, new_warehouse

FILE_ID = "f" * 16
RUN_ID = "run_20261120T120000_000001"


def id_of(*parts: object) -> str:
    return hashlib.md5(repr(parts).encode()).hexdigest()


def profile_id(name: str) -> str:
    return "prf_" + name.upper().ljust(26, "0")


def observation(person: str, source: str = "crm", **values: Any) -> dict[str, Any]:
    """A description of `person`; `seen` is when it was last seen."""
    seen = values.pop("seen", NOW)
    return {
        "person": person, "observation_id": id_of(person, source, values, seen), "source": source,
        "is_verified": False, "is_claim": False, "first_seen_at": seen, "last_seen_at": seen, "event_count": 0,
        "file_id": FILE_ID, "line_number": 1, **values,
    }  # fmt: skip


def event(person: str, channel: str, event_type: str, at: datetime = NOW, **values: Any) -> dict[str, Any]:
    """Something that `person` did, told by `source`. `products`: what it was about, each by the columns of its line."""
    properties = values.pop("properties", {})
    return {
        "person": person, "event_id": id_of(person, channel, event_type, at, values, properties), "source": "log",
        "channel": channel, "event_type": event_type, "occurred_at": at, "received_at": NOW, "is_machine": False,
        "is_claim": False, "file_id": FILE_ID, "line_number": 1, "properties": json.dumps(properties), **values,
    }  # fmt: skip


def consent(person: str, channel: str, state: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "person": person, "consent_id": id_of(person, channel, state, at, values), "source": "log", "channel": channel,
        "purpose": "marketing", "state": state, "scope": "channel", "occurred_at": at, "file_id": FILE_ID,
        "line_number": 1, **values,
    }  # fmt: skip


def warehouse_of(
    observations: Iterable[dict[str, Any]] = (),
    events: Iterable[dict[str, Any]] = (),
    consents: Iterable[dict[str, Any]] = (),
    qualities: Iterable[tuple[str, str, str]] = (),
) -> Warehouse:
    """A warehouse with these rows; each person is one profile. `qualities`: type, value, quality where not unique."""
    events, consents = list(events), list(consents)
    described = [*observations]
    unseen = {row["person"] for row in (*events, *consents)} - {row["person"] for row in described}
    described += [observation(person, "log", customer_id=person) for person in sorted(unseen)]
    first = {row["person"]: row["observation_id"] for row in reversed(described)}
    warehouse = new_warehouse()
    _write(warehouse, tables.OBSERVATIONS, described)
    for table, rows in ((tables.EVENTS, events), (tables.CONSENTS, consents)):
        _write(warehouse, table, [{**row, "observation_id": first[row["person"]]} for row in rows])
    lines = (
        {"event_id": row["event_id"], "position": position, **product}
        for row in events
        for position, product in enumerate(row.get("products", ()), 1)
    )
    _write(warehouse, tables.EVENT_PRODUCTS, [*lines])
    _write(
        warehouse,
        tables.MEMBERS,
        [
            {"observation_id": row["observation_id"], "profile_id": profile_id(row["person"]), "valid_from_run": RUN_ID}
            for row in described
        ],
    )
    _identify(warehouse, described, {(kind, value): quality for kind, value, quality in qualities})
    warehouse.run(statement("link/people"))
    return warehouse


def _identify(warehouse: Warehouse, described: list[dict[str, Any]], qualities: dict[tuple[str, str], str]) -> None:
    held = [
        {
            "observation_id": row["observation_id"], "type": kind, "value": row[kind],
            "first_seen_at": NOW, "last_seen_at": NOW,
        }
        for row in described
        for kind in ("email", "phone", "device_token", "customer_id")
        if row.get(kind)
    ]  # fmt: skip
    _write(warehouse, tables.IDENTIFIERS, held)
    _write(
        warehouse,
        tables.IDENTIFIER_VALUES,
        [
            {
                "type": kind, "value": value, "epoch": 0, "quality": qualities.get((kind, value), "unique"),
                "reason": "as given", "holder_count": 1, "name_count": 1, "first_seen_at": NOW, "last_seen_at": NOW,
            }
            for kind, value in sorted({(row["type"], row["value"]) for row in held})
        ],
    )  # fmt: skip


def _write(warehouse: Warehouse, table: Any, rows: list[dict[str, Any]]) -> None:
    schema = table.polars_schema()
    wanted = [{name: row.get(name) for name in schema} for row in rows]
    warehouse.append_rows(table, pl.DataFrame(wanted, schema=schema, orient="row"))
