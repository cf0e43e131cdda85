"""Publishing: make a run's results visible to readers, in an order that stays consistent if the run is killed at any
point.

First the landing files move into place, then the warehouse by rename, then the store. After a kill between the first
two steps, the next run adopts the files; between the last two, the next run brings the store up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cdp.runs.report import RunReport
from cdp.settings import Settings
from cdp.store import Store
from cdp.warehouse import Warehouse
from cdp.warehouse import publish as publish_warehouse
from pipelines.land.landed import LandedFile
from pipelines.publish.history import published_reports, write_history
from pipelines.publish.housekeeping import keep_house
from pipelines.publish.landing import drop_superseded, expose_landing, move_landing
from pipelines.publish.store import update_store


def publish(
    warehouse: Warehouse,
    store: Store,
    report: RunReport,
    superseded: Sequence[LandedFile],
    *,
    settings: Settings,
    scratch: Path,
) -> int:
    """Publish landing, warehouse and store, in this order, and close the warehouse. Returns the number of profiles.

    Args:
        report: the report of this run.
        superseded: landed files to remove, because they were landed again with a changed mapping.
        scratch: the run's folder, with its landed files and working copy.
    """
    home = settings.home
    write_history(warehouse, [*published_reports(store), report])
    profiles = warehouse.count("profiles.profiles")
    move_landing(scratch, home)
    expose_landing(warehouse, home)
    published = publish_warehouse(warehouse, scratch, settings)
    try:
        drop_superseded(superseded)
        update_store(published, store, report, landing=home / "landing", published_at=report.started_at)
    finally:
        published.close()
    keep_house(store, report.started_at)
    return profiles
