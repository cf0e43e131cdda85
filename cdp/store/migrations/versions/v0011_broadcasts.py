"""Broadcasts, and the people that they go to."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
TEXTS = ("client_id", "segment", "template", "template_version", "purpose", "campaign", "state")


def upgrade() -> None:
    op.create_table("broadcasts", *_columns())
    _create_people()


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("broadcast_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in TEXTS),
        *(sa.Column(name, sa.Text, nullable=True) for name in ("topic", "data")),
        sa.Column("rate", sa.Integer, nullable=True),
        sa.Column("holdout", sa.Float, nullable=False),
        sa.Column("is_gathered", sa.Boolean, nullable=False),
        *(sa.Column(name, TIME, nullable=False) for name in ("starts_at", "created_at", "changed_at")),
    ]


def _create_people() -> None:
    key = [sa.Column(name, sa.Text, primary_key=True) for name in ("broadcast_id", "profile_id")]
    op.create_table(
        "broadcast_people", *key, *(sa.Column(name, sa.Text, nullable=True) for name in ("outcome", "message_id"))
    )
    waiting = sa.text("outcome is null")
    op.create_index(
        "ix_broadcast_people_waiting",
        "broadcast_people",
        ["broadcast_id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
