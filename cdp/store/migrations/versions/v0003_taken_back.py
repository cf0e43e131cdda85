"""What an event takes back of what its source has said of a person, until a run has taken it in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("live_engagement", sa.Column("taken_back", sa.Text, nullable=True))
