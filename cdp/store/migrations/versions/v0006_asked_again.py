"""When a work item that was enqueued during an attempt is due once more; one name for unset traits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("work_items", sa.Column("asked_again_for", sa.DateTime(timezone=True), nullable=True))
    op.execute("update work_items set asked_again_for = not_before where is_asked_again")
    op.drop_column("work_items", "is_asked_again")
    op.alter_column("live_engagement", "taken_back", new_column_name="unset_traits")
