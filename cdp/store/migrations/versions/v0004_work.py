"""The work queue, and an index of landed payloads by age."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_work_items()
    _create_partial_index("uq_work_items_open", "work_items", ["kind", "key"], "finished_at is null", unique=True)
    _create_partial_index("ix_work_items_due", "work_items", ["kind", "not_before"], "finished_at is null")
    _create_partial_index("ix_work_items_finished", "work_items", ["outcome", "finished_at"], "finished_at is not null")
    _create_partial_index("ix_inbox_landed", "inbox", ["received_at"], "landed_run_id is not null")


def _create_work_items() -> None:
    op.create_table(
        "work_items",
        sa.Column("seq", SEQUENCE, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=True),
        sa.Column("not_before", TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.Text, nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("is_asked_again", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.Text, nullable=True),
        sa.Column("error", sa.Text, nullable=True),
        sa.Column("enqueued_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint("outcome in ('done', 'failed')", name="outcome"),
    )


def _create_partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
