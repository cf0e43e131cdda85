"""Move a run's landed files to the landing folder, and expose it as a view."""

from __future__ import annotations

from collections.abc import Iterable
from glob import escape
from pathlib import Path

from cdp.warehouse import Warehouse, disk_errors, flush
from pipelines.land.landed import LandedFile


def move_landing(scratch: Path, home: Path) -> None:
    """Move this run's landed files to the landing folder."""
    with disk_errors(home):
        for parquet in sorted(scratch.glob("landing/source=*/*.parquet")):
            target = home / parquet.relative_to(scratch)
            target.parent.mkdir(parents=True, exist_ok=True)
            flush(parquet)
            parquet.replace(target)


def drop_superseded(landed: Iterable[LandedFile]) -> None:
    """Remove files that were landed again with a changed mapping; nothing refers to them any more."""
    for file in landed:
        file.parquet.unlink(missing_ok=True)


def expose_landing(warehouse: Warehouse, home: Path) -> None:
    """Make the view landing.records over the landed files at their final location."""
    folder = escape(str((home / "landing").resolve())).replace("'", "''")
    pattern = f"{folder}/source=*/*.parquet"
    warehouse.run(
        "create or replace view landing.records as "
        "select file_id, line_number, cast(source as varchar) as source, "
        "case when reject_reason is null then payload::json else to_json(payload) end as payload, payload_hash "
        f"from read_parquet('{pattern}', hive_partitioning = true)",
        name="landing.records",
    )
