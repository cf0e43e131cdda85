"""The store's table of runs."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, UtcTime, text, time

runs = sa.Table(
    "runs",
    METADATA,
    text("run_id", key=True),
    time("as_of"),
    sa.Column("started_at", UtcTime, nullable=False, index=True),
    sa.Column("published", sa.Boolean, nullable=False),
    text("report"),
)
