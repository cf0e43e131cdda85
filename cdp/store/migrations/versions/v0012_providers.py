"""The health and the rates of providers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_index("ix_message_attempts_ended_at", "message_attempts", ["ended_at"])
    for name, figure, at in (("provider_health", "points", "changed_at"), ("provider_rates", "tokens", "filled_at")):
        key = sa.Column("provider", sa.Text, primary_key=True)
        op.create_table(name, key, sa.Column(figure, sa.Float, nullable=False), sa.Column(at, TIME, nullable=False))
    _create_changes()


def _create_changes() -> None:
    op.create_table(
        "provider_changes",
        sa.Column("seq", SEQUENCE, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("points", sa.Float, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sqlite_autoincrement=True,
    )
