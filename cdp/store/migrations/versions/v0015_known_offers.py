"""When an offer was on its way to the person: it stands before those that nobody knows of yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("offer_claims", sa.Column("handed_over_at", sa.DateTime(timezone=True), nullable=True))
