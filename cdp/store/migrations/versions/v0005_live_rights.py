"""The right of a write key to grant, keys of requests that may be repeated, and what became of decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("write_keys", sa.Column("may_grant", sa.Text, nullable=True))
    op.add_column("decisions", sa.Column("outcome", sa.Text, nullable=True))
    op.add_column("decisions", sa.Column("outcome_at", TIME, nullable=True))
    _create_idempotency_keys()


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("seq", SEQUENCE, primary_key=True),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.Text, nullable=False),
        sa.Column("result_ids", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.UniqueConstraint("client_id", "key", name="uq_idempotency_keys_client_id_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
