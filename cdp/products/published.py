"""What a run publishes about products."""

from __future__ import annotations

import polars as pl

from cdp.products.tables import products
from cdp.store import Connection
from cdp.store.bulk import delete, read_frame, upsert


def known_products(connection: Connection) -> pl.DataFrame:
    """key, product_id, document_hash, season_rank of the published products."""
    return read_frame(connection, products, "key", "product_id", "document_hash", "season_rank")


def put_products(connection: Connection, rows: pl.DataFrame) -> None:
    """Write rows with all columns of the table; they replace those with the same key."""
    upsert(connection, products, rows)


def drop_products(connection: Connection, keys: pl.DataFrame) -> None:
    """Delete rows by their `key`."""
    delete(connection, products, keys)
