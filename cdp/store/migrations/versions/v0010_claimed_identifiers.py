"""Which live identifiers only claims have told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_claim = sa.Column("is_claim", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("live_identifiers", is_claim)
