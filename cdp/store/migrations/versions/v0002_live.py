"""Live data: the inbox and the live layer, consents, suppressions, decisions, write keys, the request log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_write_keys()
    _create_inbox()
    _create_live_layer()
    _create_consents()
    _create_decisions()
    _create_request_log()


def _create_write_keys() -> None:
    op.create_table(
        "write_keys",
        sa.Column("key_hash", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("disabled_at", TIME, nullable=True),
    )


def _create_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("seq", SEQUENCE, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("profile_id", sa.Text, nullable=True),
        sa.Column("landed_run_id", sa.Text, nullable=True, index=True),
        sa.UniqueConstraint("source", "message_id"),
        sqlite_autoincrement=True,
    )


def _create_live_layer() -> None:
    op.create_table(
        "junk_identifiers",
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "live_members",
        sa.Column("observation_id", sa.Text, primary_key=True),
        sa.Column("profile_id", sa.Text, nullable=False, index=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("first_seen_at", TIME, nullable=False),
        sa.Column("inbox_seq", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "live_identifiers",
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("profile_id", sa.Text, primary_key=True, index=True),
        sa.Column("inbox_seq", sa.BigInteger, nullable=False, index=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "live_engagement",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("profile_id", sa.Text, nullable=False, index=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("message_ref", sa.Text, nullable=True),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("is_machine", sa.Boolean, nullable=False),
        sa.Column("inbox_seq", sa.BigInteger, nullable=False, index=True),
    )


def _create_consents() -> None:
    op.create_table(
        "contact_points",
        sa.Column("contact_point_id", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "consent_ledger",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry_id", sa.Text, nullable=False, unique=True),
        sa.Column("contact_point_id", sa.Text, nullable=False, index=True),
        sa.Column("contact_point_type", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("basis", sa.Text, nullable=True),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=True),
        sa.Column("previous_hash", sa.Text, nullable=True),
        sa.Column("entry_hash", sa.Text, nullable=False),
        sa.CheckConstraint("state in ('granted', 'denied', 'withdrawn', 'pending')", name="state"),
        sa.CheckConstraint("scope in ('topic', 'channel', 'all')", name="scope"),
    )
    heads = op.create_table(
        "ledger_heads",
        sa.Column("ledger", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("entry_hash", sa.Text, nullable=True),
    )
    op.bulk_insert(heads, [{"ledger": "consents", "seq": 0, "entry_hash": None}])
    op.create_table(
        "suppressions",
        sa.Column("contact_point_id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("entry_id", sa.Text, nullable=True),
        sa.Column("occurred_at", TIME, nullable=True),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("lifted_at", TIME, nullable=True),
        sa.Column("lifted_by", sa.Text, nullable=True),
    )


def _create_decisions() -> None:
    op.create_table(
        "policies",
        sa.Column("policy_hash", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("first_used_at", TIME, nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Text, primary_key=True),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("profile_id", sa.Text, nullable=True),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=True),
        sa.Column("send_at", TIME, nullable=True),
        sa.Column("policy_version", sa.Text, nullable=False),
        sa.Column("policy_hash", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Index("ix_decisions_profile_id_send_at", "profile_id", "send_at"),
    )


def _create_request_log() -> None:
    op.create_table(
        "request_log",
        sa.Column("seq", SEQUENCE, primary_key=True),
        sa.Column("requested_at", TIME, nullable=False, index=True),
        sa.Column("client_id", sa.Text, nullable=True),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=True),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("milliseconds", sa.Float, nullable=False),
        sa.Column("error_code", sa.Text, nullable=True),
        sqlite_autoincrement=True,
    )
