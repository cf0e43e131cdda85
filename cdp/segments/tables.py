"""The store's table of segment changes: profiles that entered or left, run by run."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, sequence, text, time

segment_changes = sa.Table(
    "segment_changes",
    METADATA,
    sequence(),
    text("profile_id"),
    text("segment"),
    text("change"),
    time("changed_at"),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)
