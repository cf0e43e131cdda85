"""The platform's status: the last runs, the published tables and their freshness."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cdp import tables
from cdp.runs.ledger import recent_runs
from cdp.runs.report import RunReport
from cdp.settings import Settings
from cdp.store import open_store
from cdp.warehouse import open_published, published_path
from identity.registry import model_in_use

SHOWN_RUNS = 5


@dataclass(frozen=True)
class Status:
    """The platform's status.

    running: the id of the run in progress, if any. runs: the last runs, newest first, including failed ones. model: the
    version of the identity model in use. tables: the number of rows of each published table.
    """

    home: Path
    running: str | None
    runs: Sequence[RunReport]
    model: str
    now: datetime
    tables: Mapping[str, int]
    newest_event_at: datetime | None

    def document(self) -> dict[str, Any]:
        """What `cdp status --json` prints."""
        return {
            "home": str(self.home),
            "running": self.running,
            "runs": [run.document() for run in self.runs],
            "model": self.model,
            "now": self.now.isoformat(),
            "tables": dict(self.tables),
            "newest_event_at": self.newest_event_at.isoformat() if self.newest_event_at else None,
        }


def summarise(settings: Settings, now: datetime) -> Status:
    """The run in progress, the last runs (including failed ones), rows per table, the newest event, the model in
    use."""
    row_counts, newest_event_at = _published_state(settings)
    return Status(
        home=settings.home,
        running=_running(settings.home),
        runs=_last_runs(settings),
        model=model_in_use(settings).version,
        now=now,
        tables=row_counts,
        newest_event_at=newest_event_at,
    )


def _last_runs(settings: Settings) -> list[RunReport]:
    """The last runs, newest first. Does not create a store if there is none."""
    if settings.store_url is None and not (settings.home / "store.sqlite").exists():
        return []
    with closing(open_store(settings.effective_store_url)) as store, store.read() as connection:
        texts = recent_runs(connection, SHOWN_RUNS)["report"]
    return [RunReport.model_validate_json(text) for text in texts]


def _running(home: Path) -> str | None:
    """The run in progress: there is a scratch folder, and a process holds the lock.

    The folder of a killed run has no lock holder. The lock is tried only if there is a folder, because trying it would
    make a run that starts at the same moment fail.
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


def _published_state(settings: Settings) -> tuple[dict[str, int], datetime | None]:
    """The number of rows per table, and the time of the newest event."""
    if not published_path(settings.home).exists():
        return {}, None
    with closing(open_published(settings)) as warehouse:
        newest = warehouse.scalar("select max(occurred_at) from conformed.events")
        return {table.full_name: warehouse.count(table.full_name) for table in tables.TABLES}, newest
