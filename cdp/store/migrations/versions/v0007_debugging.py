"""What became of received payloads: why they were refused, and how often they came again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns to the inbox, and find repeats by their time."""
    op.add_column("inbox", sa.Column("reason", sa.Text, nullable=True))
    op.add_column("inbox", sa.Column("detail", sa.Text, nullable=True))
    op.add_column("inbox", sa.Column("repeat_count", sa.Integer, nullable=False, server_default="0"))
    op.add_column("inbox", sa.Column("repeated_at", sa.DateTime(timezone=True), nullable=True))
    is_repeated = sa.text("repeated_at is not null")
    op.create_index(
        "ix_inbox_repeated_at", "inbox", ["repeated_at"], sqlite_where=is_repeated, postgresql_where=is_repeated
    )
