"""What the store holds of consent: contact points, the ledger with its head, suppressions."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, text, time

# Addresses stand apart from what was decided about them, so that an address can be erased and the ledger kept.
contact_points = sa.Table(
    "contact_points",
    METADATA,
    text("contact_point_id", key=True),
    text("type"),
    text("value"),
)

consent_ledger = sa.Table(
    "consent_ledger",
    METADATA,
    # Without gaps, so that a missing entry shows: numbered by us, not by the database.
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry_id", sa.Text, nullable=False, unique=True),
    sa.Column("contact_point_id", sa.Text, nullable=False, index=True),
    text("contact_point_type"),
    text("channel"),
    text("purpose"),
    text("topic", optional=True),
    text("state"),
    text("scope"),
    text("basis", optional=True),
    time("occurred_at"),
    time("recorded_at"),
    text("source"),
    text("actor"),
    text("evidence", optional=True),
    text("previous_hash", optional=True),
    text("entry_hash"),
    sa.CheckConstraint("state in ('granted', 'denied', 'withdrawn', 'pending')", name="state"),
    sa.CheckConstraint("scope in ('topic', 'channel', 'all')", name="scope"),
)

# The last entry of each ledger: who appends takes this row first, and entries removed at the end are missed.
ledger_heads = sa.Table(
    "ledger_heads",
    METADATA,
    text("ledger", key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    text("entry_hash", optional=True),
)

suppressions = sa.Table(
    "suppressions",
    METADATA,
    text("contact_point_id", key=True),
    text("channel", key=True),
    text("reason", key=True),
    text("source"),
    text("entry_id", optional=True),
    # None: it was lifted before it was heard of.
    time("occurred_at", optional=True),
    time("recorded_at"),
    time("lifted_at", optional=True),
    text("lifted_by", optional=True),
)
