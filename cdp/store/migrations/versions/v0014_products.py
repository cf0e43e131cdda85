"""Products: what live events are about, and the catalogue of the last run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("live_engagement", sa.Column("products", sa.Text, nullable=True))
    _create_catalogue()


def _create_catalogue() -> None:
    op.create_table(
        "products",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=True),
        sa.Column("document_hash", sa.Text, nullable=True),
        sa.Column("season_rank", sa.BigInteger, nullable=True),
        sqlite_with_rowid=False,
    )
    in_season = sa.text("season_rank is not null")
    op.create_index(
        "ix_products_season_rank", "products", ["season_rank"], sqlite_where=in_season, postgresql_where=in_season
    )
