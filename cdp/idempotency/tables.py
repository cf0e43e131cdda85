"""The store's table of requests that their clients may repeat."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, UtcTime, sequence, text

# What came of a request, by the key that its client chose: ids only, from which the first answer is made again.
idempotency_keys = sa.Table(
    "idempotency_keys",
    METADATA,
    sequence(),
    text("client_id"),
    text("key"),
    text("request_hash"),
    # A JSON array of the ids of what was recorded.
    text("result_ids"),
    sa.Column("created_at", UtcTime, nullable=False, index=True),
    sa.UniqueConstraint("client_id", "key"),
    sqlite_autoincrement=True,
)
