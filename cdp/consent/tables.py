"""The store's tables of consent: contact points, the ledger and its head, suppressions."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, text, time

# Addresses are kept apart from the decisions about them, so that an address can be erased while the ledger is kept.
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
    # Numbered here, not by the database: without gaps, so that a missing entry is noticed.
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

# The last entry of each ledger: an appending writer locks this row first, and entries removed at the end are noticed.
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
    # None: the lift arrived before the suppression.
    time("occurred_at", optional=True),
    time("recorded_at"),
    time("lifted_at", optional=True),
    text("lifted_by", optional=True),
)
