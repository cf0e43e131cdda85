"""Offers without an end of their own, which the policy in force ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("offer_claims") as table:
        table.alter_column("until", existing_type=sa.DateTime(timezone=True), nullable=True)
