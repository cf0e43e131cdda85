"""How the platform stands: the last runs, what is published, how fresh it is."""

from __future__ import annotations

import fcntl
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from cdp import tables
from cdp.runs.ledger import recent_runs
from cdp.settings import Settings
from cdp.store import open_store
from cdp.warehouse import open_published, published_path
from identity.registry import model_in_use

SHOWN_RUNS = 5


def summarise(settings: Settings, now: datetime) -> dict[str, Any]:
    """The run in progress, the last runs (failed ones too), rows per table, the newest event, the model in use."""
    return {
        "home": str(settings.home),
        "running": _running(settings.home),
        "runs": _last_runs(settings),
        "model": model_in_use(settings.home).version,
        "now": now.isoformat(),
        **_published_state(settings),
    }


def _last_runs(settings: Settings) -> list[dict[str, Any]]:
    """Reports as `cdp run --json` prints them, newest first. To look makes no store where there is none."""
    if settings.store_url is None and not (settings.home / "store.sqlite").exists():
        return []
    store = open_store(settings.effective_store_url)
    try:
        with store.read() as connection:
            return [json.loads(report) for report in recent_runs(connection, SHOWN_RUNS)["report"]]
    finally:
        store.close()


def _running(home: Path) -> str | None:
    """The run in progress: there is a scratch folder, and somebody holds the lock.

    The folder of a killed run has no holder. The lock is only tried where there is a folder, because a try keeps a
    run that begins in that very moment out.
    """
    scratch = next((home / "work").glob("run_*"), None)
    if scratch is None:
        return None
    with (home / "work" / "run.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return scratch.name
    return None


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
