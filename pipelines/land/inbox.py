"""The inbox in a run: payloads received over HTTP are landed like a file, and released once they are published.

The landed files themselves record which rows of the inbox are landed; the store is updated with the publish. So a
killed run lands nothing twice: the next run finds the rows in the files that it adopts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from cdp.live import inbox
from cdp.live.inbox import Batch
from cdp.people import live_layer
from cdp.runs.ledger import published_run_ids
from cdp.store import Connection, Store
from cdp.warehouse import Warehouse
from pipelines.land.landed import COLUMNS, INBOX, LandedFile, write_landed
from pipelines.land.rows import checked_rows

# Each payload of the inbox has its own time of receipt.
INBOX_COLUMNS = COLUMNS.append(pa.field("received_at", pa.timestamp("us", "UTC")))

ROWS = pl.Schema({"source": pl.String(), "seq": pl.Int64(), "received_at": pl.Datetime("us", "UTC")})


def land_waiting(
    store: Store,
    landed: Collection[LandedFile],
    warehouse: Warehouse,
    folder: Path,
    *,
    landed_at: datetime,
    run_id: str,
) -> None:
    """Land below `folder` the rows of the inbox that are in none of the `landed` files."""
    with store.read() as connection:
        known = rows_of(_unpublished(connection, [(file.run_id, file.parquet) for file in landed if file.is_inbox]))
        for batch in inbox.unlanded(connection):
            fresh = batch.without(known)
            if not fresh.rows.is_empty():
                land_inbox(fresh, warehouse, folder=folder, landed_at=landed_at, run_id=run_id)


def land_inbox(batch: Batch, warehouse: Warehouse, *, folder: Path, landed_at: datetime, run_id: str) -> Path:
    """Write payloads of the inbox below `folder`, each with its time of receipt; return the Parquet file.

    The line number is the payload's number in the inbox.
    """
    rows = batch.rows.select(
        "received_at",
        line_number="seq",
        payload="payload",
        reject_reason=pl.lit(None, pl.String),
        reject_detail=pl.lit(None, pl.String),
    )
    sha256 = _digest_of(rows)
    file_id = hashlib.sha256(f"{batch.source}:{sha256}".encode()).hexdigest()[:16]
    metadata = {
        "file_id": file_id,
        "source": batch.source,
        "format": batch.format,
        "path": f"{INBOX}{batch.source}:{rows['line_number'][0]}-{rows['line_number'][-1]}",
        "sha256": sha256,
        "byte_count": int(rows["payload"].str.len_bytes().sum()),
        "mapping": None,
        "landed_at": landed_at.isoformat(),
        "run_id": run_id,
    }
    checked = checked_rows(warehouse, rows).join(
        rows.select("line_number", "received_at"), on="line_number", maintain_order="left"
    )
    return write_landed(folder, metadata, [checked], INBOX_COLUMNS)


def _digest_of(rows: pl.DataFrame) -> str:
    digest = hashlib.sha256()
    for row in rows.select("line_number", "received_at", "payload").iter_rows():
        digest.update(repr(row).encode())
    return digest.hexdigest()


def landed_unnoted(warehouse: Warehouse, store: Store, landing: Path) -> pl.DataFrame:
    """Rows of the inbox (source, seq, received_at) that are in the warehouse and may not be marked as landed in the
    store."""
    files = warehouse.query(f"select run_id, source, file_id from landing.files where starts_with(path, '{INBOX}')")
    with store.read() as connection:
        paths = [(run, landing / f"source={source}" / f"{file_id}.parquet") for run, source, file_id in files.rows()]
        return rows_of(_unpublished(connection, paths))


def let_go(connection: Connection, rows: pl.DataFrame, run_id: str) -> None:
    """Mark `rows` as landed and published by a run, and drop them from the live layer."""
    live_layer.drop(connection, inbox.mark_landed(connection, rows, run_id))
    live_layer.follow_publish(connection, run_id)


def rows_of(files: Sequence[Path]) -> pl.DataFrame:
    """source, seq, received_at of the rows in landed inbox files."""
    return pl.concat([pl.DataFrame(schema=ROWS), *map(_rows_in, files)])


def _rows_in(file: Path) -> pl.DataFrame:
    rows = pl.read_parquet(file, columns=["line_number", "received_at"], hive_partitioning=False)
    source = file.parent.name.removeprefix("source=")
    return rows.select(pl.lit(source).alias("source"), pl.col("line_number").alias("seq"), "received_at")


def _unpublished(connection: Connection, files: Collection[tuple[str, Path]]) -> list[Path]:
    """Of (run id, file): the files whose run is not recorded as published in the store."""
    published = published_run_ids(connection) if files else set()
    return [path for run_id, path in files if run_id not in published]
