"""The store's table of products, as the last run published them."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.store.columns import METADATA, text

products = sa.Table(
    "products",
    METADATA,
    # A name under which sources know the product: an id, or an SKU. That of its own row is `product_id`.
    text("key", key=True),
    text("product_id"),
    # What messages show of it, and what goes with it, as JSON; on its own row only.
    text("document", optional=True),
    text("document_hash", optional=True),
    sa.Column("season_rank", sa.BigInteger, nullable=True),
    sqlite_with_rowid=False,
)

is_in_season = products.c.season_rank.is_not(None)
sa.Index("ix_products_season_rank", products.c.season_rank, sqlite_where=is_in_season, postgresql_where=is_in_season)
