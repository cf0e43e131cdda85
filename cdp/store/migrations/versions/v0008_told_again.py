"""When a live observation was told last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("live_members", sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("update live_members set last_seen_at = first_seen_at")
