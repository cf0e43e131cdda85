"""The store's tables of clients, write keys and requests."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, UtcTime, sequence, text, time

clients = sa.Table(
    "clients",
    METADATA,
    text("client_id", key=True),
    text("name"),
    text("secret_hash"),
    text("scopes"),
    time("created_at"),
    time("rotated_at", optional=True),
    time("disabled_at", optional=True),
)

# A removed client stays on record; its name can be reused.
sa.Index(
    "uq_clients_name",
    clients.c.name,
    unique=True,
    sqlite_where=clients.c.disabled_at.is_(None),
    postgresql_where=clients.c.disabled_at.is_(None),
)

# The credentials of tracking clients. A key is 256 random bits, so a plain hash does not reveal it. What comes by a key
# is a claim, unless somebody has given a reason why it may grant.
write_keys = sa.Table(
    "write_keys",
    METADATA,
    text("key_hash", key=True),
    text("name"),
    text("source"),
    time("created_at"),
    time("disabled_at", optional=True),
    text("may_grant", optional=True),
)

request_log = sa.Table(
    "request_log",
    METADATA,
    sequence(),
    sa.Column("requested_at", UtcTime, nullable=False, index=True),
    text("client_id", optional=True),
    text("method"),
    text("route", optional=True),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("milliseconds", sa.Float, nullable=False),
    text("error_code", optional=True),
    sqlite_autoincrement=True,
)
