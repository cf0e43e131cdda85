"""Messages with their attempts and receipts, versions of templates, claims of offers, and holdouts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_promises()
    _create_messages()
    _create_message_logs()
    key = [_text(name, key=True) for name in ("name", "version")]
    op.create_table("template_versions", *key, _text("document"), _time("first_used_at"))


def _create_promises() -> None:
    op.create_table(
        "offer_claims",
        *(_text(name, key=True) for name in ("profile_id", "scope", "held_by")),
        _text("terms"),
        _text("terms_hash"),
        _time("claimed_at"),
        _time("until"),
    )
    op.create_index("ix_offer_claims_held_by", "offer_claims", ["held_by"])
    op.create_table(
        "holdouts",
        _text("profile_id", key=True),
        _text("name", key=True),
        sa.Column("is_held_out", sa.Boolean, nullable=False),
        _time("since"),
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        _text("message_id", key=True),
        *(_text(name) for name in ("client_id", "decision_id", "purpose", "state", "urgency")),
        *(_text(name, optional=True) for name in ("profile_id", "parent_id", "campaign", "broadcast_id", "topic")),
        *(_text(name, optional=True) for name in ("template", "template_version", "content", "data", "offer")),
        *(_text(name, optional=True) for name in ("channel", "contact_point_id", "reason", "provider", "provider_id")),
        _text("fallbacks", optional=True),
        *(_time(name, optional=True) for name in ("send_at", "expires_at", "deadline")),
        *(_time(name) for name in ("created_at", "changed_at")),
        *(_time(f"{name}_at", optional=True) for name in ("opened", "clicked", "replied", "complained")),
    )
    op.create_index("ix_messages_profile_id", "messages", ["profile_id"])
    op.create_index("ix_messages_created_at", "messages", ["created_at"])
    _create_partial_index("uq_messages_parent_id", ["parent_id"], unique=True)
    _create_partial_index("ix_messages_campaign_state", ["campaign", "state"])
    _create_partial_index("ix_messages_broadcast_id_state", ["broadcast_id", "state"])
    _create_partial_index("ix_messages_provider_provider_id", ["provider", "provider_id"], given="provider_id")


def _create_partial_index(name: str, columns: list[str], *, given: str | None = None, unique: bool = False) -> None:
    condition = sa.text(f"{given or columns[0]} is not null")
    op.create_index(name, "messages", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _create_message_logs() -> None:
    op.create_table(
        "message_attempts",
        _text("message_id", key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        _text("provider"),
        _time("started_at"),
        _time("ended_at", optional=True),
        _text("outcome", optional=True),
        _text("error", optional=True),
    )
    op.create_table(
        "message_reports",
        sa.Column("seq", SEQUENCE, primary_key=True),
        *(_text(name) for name in ("message_id", "event_id", "event_type", "state")),
        *(_time(name) for name in ("occurred_at", "received_at")),
        sa.UniqueConstraint("event_id", name="uq_message_reports_event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_reports_message_id", "message_reports", ["message_id"])


def _text(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=optional)


def _time(name: str, *, optional: bool = False) -> sa.Column[object]:
    return sa.Column(name, TIME, nullable=optional)
