"""The table of the queue. A change here needs a migration in `cdp/store/migrations/versions`."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, UtcTime

work_items = sa.Table(
    "work_items",
    METADATA,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=True),
    sa.Column("not_before", UtcTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    # Each claim has its own token, which distinguishes a worker whose lease expired from the one that took over.
    sa.Column("lease_owner", sa.Text, nullable=True),
    sa.Column("lease_until", UtcTime, nullable=True),
    # When the item is due once more: it was enqueued while a worker was processing it, possibly with outdated data.
    sa.Column("asked_again_for", UtcTime, nullable=True),
    sa.Column("outcome", sa.Text, nullable=True),
    # The error of the last failed attempt, in one line.
    sa.Column("error", sa.Text, nullable=True),
    sa.Column("enqueued_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime, nullable=True),
    sa.CheckConstraint("outcome in ('done', 'failed')", name="outcome"),
)

is_open = work_items.c.finished_at.is_(None)
is_finished = work_items.c.finished_at.is_not(None)

sa.Index(
    "uq_work_items_open",
    work_items.c.kind,
    work_items.c.key,
    unique=True,
    sqlite_where=is_open,
    postgresql_where=is_open,
)
sa.Index(
    "ix_work_items_due",
    work_items.c.kind,
    work_items.c.not_before,
    sqlite_where=is_open,
    postgresql_where=is_open,
)
sa.Index(
    "ix_work_items_finished",
    work_items.c.outcome,
    work_items.c.finished_at,
    sqlite_where=is_finished,
    postgresql_where=is_finished,
)
