"""Landing: raw rows of the inputs and the inbox, unchanged, in one immutable Parquet file per landed file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from cdp import tables
from cdp.store import Store
from cdp.warehouse import Warehouse
from identity.state import forget
from pipelines.land import inbox
from pipelines.land.inputs import land_inputs
from pipelines.land.landed import LandedFile, in_force, landed_files, list_files
from pipelines.land.recognise import InputFile

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True)
class Landing:
    """The landed files of a run.

    new: the landed files that the warehouse takes in now. superseded: those landed again with a changed mapping.
    known_count: the number of inputs that were landed before. row_count: the rows of the files that this run landed.
    """

    new: Sequence[LandedFile]
    superseded: Sequence[LandedFile]
    known_count: int
    row_count: int


NOTHING_LANDED = Landing((), (), 0, 0)


def land(
    warehouse: Warehouse,
    store: Store,
    inputs: Sequence[InputFile],
    *,
    home: Path,
    scratch: Path,
    landed_at: datetime,
    run_id: str,
    threads: int,
    advanced: Callable[[int, int], None],
) -> Landing:
    """Write raw rows of `inputs` and of the inbox to Parquet below `scratch`, and landing.files.

    Files already landed in `home` are skipped.

    Args:
        advanced: called with the number of inputs done and their total.

    Raises:
        InputRefused: a file cannot be read to its end.
    """
    here_before, folder = landed_files(home / "landing"), scratch / "landing"
    known_ids = {file.file_id for file in in_force(here_before)}
    known_count = land_inputs(
        warehouse,
        inputs,
        known_ids,
        folder=folder,
        landed_at=landed_at,
        run_id=run_id,
        threads=threads,
        advanced=advanced,
    )
    inbox.land_waiting(store, here_before, warehouse, folder, landed_at=landed_at, run_id=run_id)
    landed = [*here_before, *landed_files(folder)]
    current = in_force(landed)
    superseded = [file for file in landed if file not in current]
    new = _not_taken_in(warehouse, current, superseded)
    list_files(warehouse, new)
    row_count = warehouse.scalar("select coalesce(sum(row_count), 0) from landing.files where run_id = $1", [run_id])
    return Landing(new, superseded, known_count, int(row_count))


def _not_taken_in(
    warehouse: Warehouse, current: Sequence[LandedFile], superseded: Collection[LandedFile]
) -> list[LandedFile]:
    """The landed files that are not in the warehouse. If the warehouse has one that was landed again with a changed
    mapping, everything derived from it must go: the warehouse is emptied and takes in all landed files."""
    taken_in = set(warehouse.query("select file_id from landing.files")["file_id"])
    if taken_in.isdisjoint(file.file_id for file in superseded):
        return [file for file in current if file.file_id not in taken_in]
    _log.info("a mapping has changed: deriving everything again from landing", files=len(superseded))
    for table in tables.TABLES:
        warehouse.run(f"delete from {table.full_name}", name=table.full_name)
    forget(warehouse)
    return list(current)
