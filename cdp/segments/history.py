"""Entries to and exits from segments, run by run: history that cannot be derived, so the store keeps it."""

from __future__ import annotations

import polars as pl

from cdp.segments.tables import segment_changes
from cdp.store import Connection
from cdp.store.bulk import insert_once_a_run, read_frame


def append_segment_changes(connection: Connection, changes: pl.DataFrame) -> None:
    """Append the changes of a run (profile_id, segment, change, changed_at, run_id), all of them in one call.

    Changes of a run that is already on record are ignored.
    """
    insert_once_a_run(connection, segment_changes, changes)


def known_segment_changes(connection: Connection) -> pl.DataFrame:
    """seq, profile_id, segment, change, changed_at (UTC), run_id, in the order written."""
    names = ("seq", "profile_id", "segment", "change", "changed_at", "run_id")
    return read_frame(connection, segment_changes, *names)
