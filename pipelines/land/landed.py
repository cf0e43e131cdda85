"""Landed files: raw rows, unchanged, in one immutable Parquet file per landed file.

The name of a landed file is the hash of its source, content and mapping, so landing the same file twice has no effect.
Its metadata holds everything in `landing.files`: the warehouse can be rebuilt from the landing folder alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cdp import tables
from cdp.sources.columns import ColumnMapping
from cdp.warehouse import Warehouse, disk_errors

METADATA_KEY = b"landing"
# The prefix of the path of an inbox batch.
INBOX = "inbox:"

COLUMNS = pa.schema(
    [
        ("file_id", pa.string()),
        ("line_number", pa.int64()),
        ("payload", pa.string()),
        ("payload_hash", pa.string()),
        ("reject_reason", pa.string()),
        ("reject_detail", pa.string()),
    ]
)


@dataclass(frozen=True)
class LandedFile:
    """A Parquet file of the landing folder, described by its own metadata."""

    parquet: Path
    file_id: str
    source: str
    format: str
    path: str
    sha256: str
    byte_count: int
    mapping: ColumnMapping | None
    landed_at: datetime
    run_id: str

    @property
    def is_inbox(self) -> bool:
        """Whether it holds payloads received over HTTP; their line number is their number in the inbox."""
        return self.path.startswith(INBOX)


def write_landed(folder: Path, metadata: Mapping[str, Any], frames: Iterable[pl.DataFrame], columns: pa.Schema) -> Path:
    """Write frames with the `columns` (except the file id) to the Parquet file of a landed file."""
    file_id = metadata["file_id"]
    parquet = folder / f"source={metadata['source']}" / f"{file_id}.parquet"
    schema = columns.with_metadata({METADATA_KEY: json.dumps(metadata).encode()})
    with disk_errors(folder):
        parquet.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(parquet, schema, compression="zstd", compression_level=1) as writer:
            for rows in frames:
                table = rows.with_columns(file_id=pl.lit(file_id)).select(columns.names).to_arrow()
                writer.write_table(table.cast(schema))
    return parquet


def landed_files(folder: Path) -> list[LandedFile]:
    """All landed files below `folder`, in landing order."""
    found = [_described(path) for path in folder.glob("source=*/*.parquet")]
    return sorted(found, key=_landing_order)


def in_force(landed: Iterable[LandedFile]) -> list[LandedFile]:
    """Without files that were landed again with a changed mapping: of the same content, the last one counts."""
    latest = {(file.source, file.sha256): file for file in sorted(landed, key=_landing_order)}
    return sorted(latest.values(), key=_landing_order)


def list_files(warehouse: Warehouse, landed: Sequence[LandedFile]) -> None:
    """Write landing.files for newly landed files; their rejects are counted once they are conformed."""
    rows = [
        {
            **{name: getattr(file, name) for name in ("file_id", "source", "format", "path", "sha256")},
            "byte_count": file.byte_count,
            "row_count": pq.read_metadata(file.parquet).num_rows,
            "reject_count": 0,
            "mapping": file.mapping.model_dump_json() if file.mapping else None,
            "landed_at": file.landed_at,
            "run_id": file.run_id,
        }
        for file in landed
    ]
    warehouse.append_rows(tables.FILES, pl.DataFrame(rows, schema=tables.FILES.polars_schema()))


def _landing_order(landed: LandedFile) -> tuple[datetime, str]:
    return landed.landed_at, landed.file_id


def _described(parquet: Path) -> LandedFile:
    values = json.loads(pq.read_schema(parquet).metadata[METADATA_KEY])
    mapping = values.pop("mapping")
    landed_at = datetime.fromisoformat(values.pop("landed_at"))
    return LandedFile(
        parquet=parquet,
        mapping=ColumnMapping.model_validate(mapping) if mapping else None,
        landed_at=landed_at,
        **values,
    )
