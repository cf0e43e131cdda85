"""The store's tables. A change here needs a migration in `migrations/versions`; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """A point in time. Takes any aware datetime, gives UTC; SQLite keeps it as text without a zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=optional)


def _time(name: str, *, optional: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, UtcTime, nullable=optional)


def _sequence() -> sa.Column[Any]:
    return sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


# No foreign keys to profiles: a run writes all these tables in one transaction, and to check a million
# identifiers one by one would take half of its time. Members and aliases outlive profiles anyway.
profiles = sa.Table(
    "profiles",
    metadata,
    _text("profile_id", key=True),
    _text("document"),
    _text("document_hash"),
    _time("updated_at"),
)

identifiers = sa.Table(
    "identifiers",
    metadata,
    _text("type", key=True),
    _text("value", key=True),
    sa.Column("profile_id", sa.Text, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

members = sa.Table("members", metadata, _text("observation_id", key=True), _text("profile_id"), _text("run_id"))

# Where an observation was before: from the run that put it there to the run that took it away.
former_members = sa.Table(
    "former_members",
    metadata,
    _sequence(),
    _text("observation_id"),
    _text("profile_id"),
    _text("from_run_id"),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)

aliases = sa.Table("aliases", metadata, _text("old_profile_id", key=True), _text("profile_id"), _text("run_id"))

profile_changes = sa.Table(
    "profile_changes",
    metadata,
    _sequence(),
    _text("profile_id"),
    _text("other_profile_id", optional=True),
    _text("reason"),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)

segment_changes = sa.Table(
    "segment_changes",
    metadata,
    _sequence(),
    _text("profile_id"),
    _text("segment"),
    _text("change"),
    _time("changed_at"),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)

steward_decisions = sa.Table(
    "steward_decisions",
    metadata,
    _text("decision_id", key=True),
    _text("kind"),
    _text("left_id"),
    _text("right_id"),
    _text("author"),
    _text("reason"),
    _time("decided_at"),
    sa.CheckConstraint("kind in ('link', 'unlink')", name="kind"),
)

runs = sa.Table(
    "runs",
    metadata,
    _text("run_id", key=True),
    _time("as_of"),
    sa.Column("started_at", UtcTime, nullable=False, index=True),
    sa.Column("published", sa.Boolean, nullable=False),
    _text("report"),
)

clients = sa.Table(
    "clients",
    metadata,
    _text("client_id", key=True),
    _text("name"),
    _text("secret_hash"),
    _text("scopes"),
    _time("created_at"),
    _time("rotated_at", optional=True),
    _time("disabled_at", optional=True),
)

# A removed client stays on record; its name may be given again.
sa.Index(
    "uq_clients_name",
    clients.c.name,
    unique=True,
    sqlite_where=clients.c.disabled_at.is_(None),
    postgresql_where=clients.c.disabled_at.is_(None),
)

# What tracking clients authenticate with. A key is 256 random bits, so a plain hash of it gives nothing away.
write_keys = sa.Table(
    "write_keys",
    metadata,
    _text("key_hash", key=True),
    _text("name"),
    _text("source"),
    _time("created_at"),
    _time("disabled_at", optional=True),
)

# Values that the last run found to be nobody's: what comes in live with one of them is not told by it who it is.
junk_identifiers = sa.Table(
    "junk_identifiers",
    metadata,
    _text("type", key=True),
    _text("value", key=True),
    sqlite_with_rowid=False,
)

# Every payload that came in over HTTP, durable before it was answered; the next run lands it like a file.
inbox = sa.Table(
    "inbox",
    metadata,
    _sequence(),
    _text("source"),
    # The source file that reads the payload.
    _text("format"),
    _text("message_id"),
    _text("payload"),
    _time("received_at"),
    _text("profile_id", optional=True),
    sa.Column("landed_run_id", sa.Text, nullable=True, index=True),
    sa.UniqueConstraint("source", "message_id"),
    sqlite_autoincrement=True,
)

# Landed rows are let go by their age.
sa.Index(
    "ix_inbox_landed",
    inbox.c.received_at,
    sqlite_where=inbox.c.landed_run_id.is_not(None),
    postgresql_where=inbox.c.landed_run_id.is_not(None),
)

# The overlay: what live payloads say, until a run has taken them in (`inbox.landed_run_id`) and says it itself.
live_members = sa.Table(
    "live_members",
    metadata,
    _text("observation_id", key=True),
    sa.Column("profile_id", sa.Text, nullable=False, index=True),
    # The observation, clean, as JSON: what there is to show of a person whom no run has seen.
    _text("description"),
    _time("first_seen_at"),
    sa.Column("inbox_seq", sa.BigInteger, nullable=False, index=True),
)

live_identifiers = sa.Table(
    "live_identifiers",
    metadata,
    _text("type", key=True),
    _text("value", key=True),
    sa.Column("profile_id", sa.Text, primary_key=True, index=True),
    sa.Column("inbox_seq", sa.BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

live_engagement = sa.Table(
    "live_engagement",
    metadata,
    _text("event_id", key=True),
    sa.Column("profile_id", sa.Text, nullable=False, index=True),
    _text("channel"),
    _text("event_type"),
    # What a provider reports of one message is one message: it counts once, as in a run.
    _text("message_ref", optional=True),
    _time("occurred_at"),
    sa.Column("is_machine", sa.Boolean, nullable=False),
    sa.Column("inbox_seq", sa.BigInteger, nullable=False, index=True),
    # Of an identify call: traits that it says are null, and the source that says so, as JSON.
    _text("taken_back", optional=True),
)

# Addresses stand apart from what was decided about them, so that an address can be erased and the ledger kept.
contact_points = sa.Table(
    "contact_points",
    metadata,
    _text("contact_point_id", key=True),
    _text("type"),
    _text("value"),
)

consent_ledger = sa.Table(
    "consent_ledger",
    metadata,
    # Without gaps, so that a missing entry shows: numbered by us, not by the database.
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry_id", sa.Text, nullable=False, unique=True),
    sa.Column("contact_point_id", sa.Text, nullable=False, index=True),
    _text("contact_point_type"),
    _text("channel"),
    _text("purpose"),
    _text("topic", optional=True),
    _text("state"),
    _text("scope"),
    _text("basis", optional=True),
    _time("occurred_at"),
    _time("recorded_at"),
    _text("source"),
    _text("actor"),
    _text("evidence", optional=True),
    _text("previous_hash", optional=True),
    _text("entry_hash"),
    sa.CheckConstraint("state in ('granted', 'denied', 'withdrawn', 'pending')", name="state"),
    sa.CheckConstraint("scope in ('topic', 'channel', 'all')", name="scope"),
)

# The last entry of each ledger: who appends takes this row first, and entries removed at the end are missed.
ledger_heads = sa.Table(
    "ledger_heads",
    metadata,
    _text("ledger", key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    _text("entry_hash", optional=True),
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    _text("contact_point_id", key=True),
    _text("channel", key=True),
    _text("reason", key=True),
    _text("source"),
    _text("entry_id", optional=True),
    # None: it was lifted before it was heard of.
    _time("occurred_at", optional=True),
    _time("recorded_at"),
    _time("lifted_at", optional=True),
    _text("lifted_by", optional=True),
)

# The policies that decisions were made under, whole: a file that has changed since must not change an audit.
policies = sa.Table(
    "policies",
    metadata,
    _text("policy_hash", key=True),
    _text("version"),
    _text("document"),
    _time("first_used_at"),
)

# What a sender was told, with the facts it was told from: enough to answer again. No address stands here. `channel`
# and `send_at` are those of an allowed decision: a message that is on its way counts against frequency caps.
decisions = sa.Table(
    "decisions",
    metadata,
    _text("decision_id", key=True),
    _text("client_id"),
    _text("profile_id", optional=True),
    _time("decided_at"),
    _text("purpose"),
    _text("channel", optional=True),
    _time("send_at", optional=True),
    _text("policy_version"),
    _text("policy_hash"),
    _text("request"),
    _text("facts"),
    _text("answer"),
    sa.Index("ix_decisions_profile_id_send_at", "profile_id", "send_at"),
)

request_log = sa.Table(
    "request_log",
    metadata,
    _sequence(),
    sa.Column("requested_at", UtcTime, nullable=False, index=True),
    _text("client_id", optional=True),
    _text("method"),
    _text("route", optional=True),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("milliseconds", sa.Float, nullable=False),
    _text("error_code", optional=True),
    sqlite_autoincrement=True,
)
