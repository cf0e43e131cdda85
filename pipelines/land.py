"""Landing: raw rows as they came, one immutable Parquet file a landed file.

A landed file's name is the hash of its source, content and mapping, so the same file landed twice is landed once. Its
metadata says all that `landing.files` says: the warehouse can be made again from the landing folder alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cdp import tables
from cdp.errors import InputRefused
from cdp.sources.columns import ColumnMapping
from cdp.store.inbox import Batch
from cdp.warehouse import Warehouse, disk_errors, refusing
from pipelines.delimited import MAX_RECORD_LINES, Dialect, dialect_of, header_of, records
from pipelines.discover import InputFile, Layout, open_bytes, readable

METADATA_KEY = b"landing"
# What the path of a batch of the inbox starts with.
INBOX = "inbox:"
BLOCK_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 256 * 1024 * 1024
MAX_DOCUMENT_BYTES = 1024 * 1024 * 1024
PARQUET_ROWS = 50_000
DAMAGED_PARQUET = "the Parquet file is damaged"

ROWS = pa.schema(
    [
        ("file_id", pa.string()),
        ("line_number", pa.int64()),
        ("payload", pa.string()),
        ("payload_hash", pa.string()),
        ("reject_reason", pa.string()),
        ("reject_detail", pa.string()),
    ]
)

# Each payload of the inbox came at a time of its own.
INBOX_ROWS = ROWS.append(pa.field("received_at", pa.timestamp("us", "UTC")))

CHECKED_ROWS = """
select line_number, payload, md5(payload) as payload_hash,
    coalesce(reject_reason, if(json_valid(payload), null, 'broken_json')) as reject_reason,
    coalesce(reject_detail, if(json_valid(payload), null, 'the line is not JSON')) as reject_detail
from incoming_rows order by line_number
"""


@dataclass(frozen=True)
class LandedFile:
    """A Parquet file of the landing folder, by its own metadata."""

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
        """Whether it holds payloads that came over HTTP; their line number is their number in the inbox."""
        return self.path.startswith(INBOX)


def file_id_of(input_file: InputFile, sha256: str) -> str:
    """The file's id: the same content under another name has the same, under another mapping it has not."""
    parts = [input_file.source_name, sha256]
    if input_file.mapping:
        parts.append(input_file.mapping.model_dump_json(exclude={"files"}))
    return hashlib.sha256(":".join(parts).encode()).hexdigest()[:16]


def digest(path: Path) -> str:
    """SHA-256 of the file's bytes, as they are on disk."""
    with readable(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def land(
    warehouse: Warehouse,
    input_file: InputFile,
    sha256: str,
    *,
    folder: Path,
    landed_at: datetime,
    run_id: str,
) -> Path:
    """Write the rows of `input_file` below `folder`; return the Parquet file.

    Raises:
        InputRefused: the file cannot be read to its end.
    """
    metadata = {
        "file_id": file_id_of(input_file, sha256),
        "source": input_file.source_name,
        "format": input_file.source.name,
        "path": input_file.path.as_posix(),
        "sha256": sha256,
        "byte_count": input_file.path.stat().st_size,
        "mapping": input_file.mapping.model_dump(mode="json") if input_file.mapping else None,
        "landed_at": landed_at.isoformat(),
        "run_id": run_id,
    }
    return _write(folder, metadata, _rows(warehouse, input_file), ROWS)


def _write(folder: Path, metadata: Mapping[str, Any], frames: Iterable[pl.DataFrame], columns: pa.Schema) -> Path:
    """Write frames that have the `columns`, but for the file's id, to the Parquet file of a landed file."""
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


def land_inbox(batch: Batch, warehouse: Warehouse, *, folder: Path, landed_at: datetime, run_id: str) -> Path:
    """Write payloads of the inbox below `folder`, each with the time at which it came; return the Parquet file.

    Their number in the inbox is their line number.
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
    with warehouse.frame("incoming_rows", rows):
        checked = warehouse.query(CHECKED_ROWS)
    checked = checked.join(rows.select("line_number", "received_at"), on="line_number", maintain_order="left")
    return _write(folder, metadata, [checked], INBOX_ROWS)


def _digest_of(rows: pl.DataFrame) -> str:
    digest = hashlib.sha256()
    for row in rows.select("line_number", "received_at", "payload").iter_rows():
        digest.update(repr(row).encode())
    return digest.hexdigest()


def landed_files(folder: Path) -> list[LandedFile]:
    """All landed files below `folder`, in landing order."""
    found = [_described(path) for path in folder.glob("source=*/*.parquet")]
    return sorted(found, key=_landing_order)


def in_force(landed: Iterable[LandedFile]) -> list[LandedFile]:
    """Without files that were landed again under a changed mapping: of the same content, the last one counts."""
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


def _rows(warehouse: Warehouse, input_file: InputFile) -> Iterator[pl.DataFrame]:
    """Frames of line_number, payload, payload_hash, reject_reason, reject_detail."""
    path = input_file.path
    for block in _blocks(warehouse, input_file.layout, path, input_file.source.lists):
        with warehouse.frame("incoming_rows", block):
            checked = warehouse.query(CHECKED_ROWS)
        yield checked


def _blocks(warehouse: Warehouse, layout: Layout, path: Path, lists: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Frames of line_number, payload, reject_reason, reject_detail: what the layout alone can tell."""
    match layout:
        case "lines":
            yield from map(_json_rows, _line_blocks(path))
        case "document":
            yield _document_rows(warehouse, path, lists)
        case "csv":
            yield from _csv_blocks(path)
        case "parquet":
            yield from _parquet_blocks(warehouse, path)


def _line_blocks(path: Path) -> Iterator[pl.DataFrame]:
    """Frames of line_number, text, is_utf8: every line of the file, blank ones too."""
    first_number, rest = 1, b""
    with readable(path), open_bytes(path) as stream:
        while chunk := stream.read(BLOCK_BYTES):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                yield _numbered(whole, first_number)
                first_number += whole.count(b"\n") + 1
            elif len(rest) > MAX_LINE_BYTES:
                raise InputRefused("a line is longer than 256 MB", where=f"{path}:{first_number}")
    if rest:
        yield _numbered(rest, first_number)


def _numbered(block: bytes, first_number: int) -> pl.DataFrame:
    try:
        text = pl.DataFrame({"text": [block.decode()]}).select(pl.col("text").str.split("\n").explode())
        lines = text.with_columns(is_utf8=pl.lit(True))
    except UnicodeDecodeError:
        lines = _partly_unreadable(block.split(b"\n"))
    return lines.select(
        pl.int_range(first_number, first_number + pl.len(), dtype=pl.Int64).alias("line_number"),
        pl.col("text").str.strip_prefix("\ufeff").str.strip_suffix("\r"),
        "is_utf8",
    )


def _partly_unreadable(lines: list[bytes]) -> pl.DataFrame:
    """text, is_utf8; bytes that are not UTF-8 are replaced by U+FFFD."""
    text = [line.decode(errors="replace") for line in lines]
    is_utf8 = [read.encode() == line for read, line in zip(text, lines, strict=True)]
    return pl.DataFrame({"text": text, "is_utf8": is_utf8})


def _json_rows(lines: pl.DataFrame) -> pl.DataFrame:
    unreadable = ~pl.col("is_utf8")
    return (
        lines.with_columns(payload=pl.col("text").str.strip_chars(" \t"))
        .filter(pl.col("payload") != "")
        .select(
            "line_number",
            "payload",
            reject_reason=pl.when(unreadable).then(pl.lit("not_utf8")),
            reject_detail=pl.when(unreadable).then(pl.lit("the bytes are not UTF-8")),
        )
    )


def _csv_blocks(path: Path) -> Iterator[pl.DataFrame]:
    """A CSV file's records as JSON objects by the names in its header."""
    dialect, carried = None, None
    for block, is_last in _with_last(_line_blocks(path)):
        lines = block if carried is None else pl.concat([carried, block])
        dialect, lines = (dialect, lines) if dialect else _header_taken(lines)
        rows, carried = records(lines, dialect, is_last=is_last)
        yield rows


def _header_taken(lines: pl.DataFrame) -> tuple[Dialect, pl.DataFrame]:
    """The dialect of a file that begins with these lines, and the lines after its header."""
    first = (lines["text"] != "").arg_true()[0]
    header = header_of(lines["text"].slice(first, MAX_RECORD_LINES).to_list())
    return dialect_of(header), lines[first + 1 + header.count("\n") :]


def _with_last(blocks: Iterator[pl.DataFrame]) -> Iterator[tuple[pl.DataFrame, bool]]:
    """The blocks, each with whether it is the last one."""
    held = next(blocks, None)
    for block in blocks:
        if held is not None:
            yield held, False
        held = block
    if held is not None:
        yield held, True


def _document_rows(warehouse: Warehouse, path: Path, lists: Sequence[str]) -> pl.DataFrame:
    """The elements of one JSON document: a list, or a list wrapped under one of the keys in `lists`."""
    with readable(path), open_bytes(path) as stream:
        content = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise InputRefused(
            "a JSON document larger than 1 GB", where=str(path), hint="Split it, or write a record a line"
        )
    try:
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise InputRefused("the document is not UTF-8", where=str(path)) from None
    wrapped = " ".join(
        f"when json_type(document, '$.{key}') = 'ARRAY' then json_extract(document, '$.{key}[*]')" for key in lists
    )
    with (
        warehouse.frame("incoming_document", pl.DataFrame({"document": [text]})),
        refusing(path, "the document is not JSON"),
    ):
        elements = warehouse.connection.execute(
            "select unnest(case when json_type(document) = 'ARRAY' then json_extract(document, '$[*]') "
            f"{wrapped} else [document::json] end)::varchar as payload from incoming_document"
        )
        return _unrefused(pl.DataFrame(elements.to_arrow_table()), 1)


def _parquet_blocks(warehouse: Warehouse, path: Path) -> Iterator[pl.DataFrame]:
    """A Parquet file's rows as JSON objects, in the order of the file."""
    first_number = 1
    with readable(path), refusing(path, DAMAGED_PARQUET), pq.ParquetFile(path) as parquet:
        for batch in parquet.iter_batches(PARQUET_ROWS):
            numbered = pl.DataFrame({"record": pl.DataFrame(batch).to_struct()}).with_row_index("number")
            with warehouse.frame("parquet_rows", numbered):
                rows = warehouse.query(
                    "select cast(to_json(record) as varchar) as payload from parquet_rows order by number"
                )
            yield _unrefused(rows, first_number)
            first_number += rows.height


def _unrefused(payloads: pl.DataFrame, first_number: int) -> pl.DataFrame:
    return payloads.select(
        pl.int_range(first_number, first_number + pl.len(), dtype=pl.Int64).alias("line_number"),
        "payload",
        pl.lit(None, pl.String).alias("reject_reason"),
        pl.lit(None, pl.String).alias("reject_detail"),
    )
