"""How the platform stands: the last runs, what is published, how fresh it is."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from cdp import tables
from cdp.settings import Settings
from cdp.store import open_store
from cdp.store.runs import recent_runs
from cdp.warehouse import open_published, published_path
from identity.model import load_model

SHOWN_RUNS = 5


def summarise(settings: Settings, now: datetime) -> dict[str, Any]:
    """The last runs (failed ones too), rows per table, the newest event and the model in use."""
    store = open_store(settings.effective_store_url)
    try:
        with store.read() as connection:
            runs = [json.loads(report) for report in recent_runs(connection, SHOWN_RUNS)["report"]]
    finally:
        store.close()
    return {
        "home": str(settings.home),
        "runs": runs,
        "model": load_model().version,
        "now": now.isoformat(),
        **_published_state(settings),
    }


def _published_state(settings: Settings) -> dict[str, Any]:
    if not published_path(settings.home).exists():
        return {"tables": {}, "newest_event_at": None}
    warehouse = open_published(settings)
    try:
        newest = warehouse.scalar("select max(occurred_at) from conformed.events")
        return {
            "tables": {table.full_name: warehouse.count(table.full_name) for table in tables.TABLES},
            "newest_event_at": newest.isoformat() if newest else None,
        }
    finally:
        warehouse.close()
