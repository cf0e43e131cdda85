"""The traits that a live event unsets, until a run has ingested the event."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("live_engagement", sa.Column("taken_back", sa.Text, nullable=True))
