"""The store's table of payloads received over HTTP."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, sequence, text, time

# Every payload received over HTTP, stored durably before the response; the next run lands it like a file.
inbox = sa.Table(
    "inbox",
    METADATA,
    sequence(),
    text("source"),
    # The source whose mapping reads the payload.
    text("format"),
    text("message_id"),
    text("payload"),
    time("received_at"),
    text("profile_id", optional=True),
    sa.Column("landed_run_id", sa.Text, nullable=True, index=True),
    # Why it was refused, and which field is wrong. The next run comes to the same verdict.
    text("reason", optional=True),
    text("detail", optional=True),
    # How often it came again, and when it last did.
    sa.Column("repeat_count", sa.Integer, nullable=False, server_default="0"),
    time("repeated_at", optional=True),
    sa.UniqueConstraint("source", "message_id"),
    sqlite_autoincrement=True,
)

is_repeated = inbox.c.repeated_at.is_not(None)
sa.Index("ix_inbox_repeated_at", inbox.c.repeated_at, sqlite_where=is_repeated, postgresql_where=is_repeated)
# Landed rows are deleted by age.
sa.Index(
    "ix_inbox_landed",
    inbox.c.received_at,
    sqlite_where=inbox.c.landed_run_id.is_not(None),
    postgresql_where=inbox.c.landed_run_id.is_not(None),
)
