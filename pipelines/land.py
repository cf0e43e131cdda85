"""Landing: raw rows as they came, one immutable Parquet file a landed file.

A landed file's name is the hash of its source and content, so the same file landed twice is landed once. Its
metadata says all that `landing.files` says: the warehouse can be made again from the landing folder alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cdp import tables
from cdp.errors import InputRefused
from cdp.sources import Source
from cdp.sources.columns import ColumnMapping
from cdp.warehouse import Warehouse, disk_errors, refusing
from pipelines.discover import InputFile, open_bytes, readable

METADATA_KEY = b"landing"
BLOCK_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 256 * 1024 * 1024
MAX_DOCUMENT_BYTES = 1024 * 1024 * 1024

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

CHECKED_ROWS = """
select line_number, payload, md5(payload) as payload_hash,
    case when not readable then 'not_utf8' when not json_valid(payload) then 'broken_json' end as reject_reason,
    case when not readable then 'the bytes are not UTF-8'
        when not json_valid(payload) then 'the line is not JSON' end as reject_detail
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


def file_id_of(input_file: InputFile, sha256: str) -> str:
    return hashlib.sha256(f"{input_file.source_name}:{sha256}".encode()).hexdigest()[:16]


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
    file_id = file_id_of(input_file, sha256)
    parquet = folder / f"source={input_file.source_name}" / f"{file_id}.parquet"
    metadata = {
        "file_id": file_id,
        "source": input_file.source_name,
        "format": input_file.source.name,
        "path": input_file.path.as_posix(),
        "sha256": sha256,
        "byte_count": input_file.path.stat().st_size,
        "mapping": input_file.mapping.model_dump(mode="json") if input_file.mapping else None,
        "landed_at": landed_at.isoformat(),
        "run_id": run_id,
    }
    schema = ROWS.with_metadata({METADATA_KEY: json.dumps(metadata).encode()})
    with disk_errors(folder):
        parquet.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(parquet, schema, compression="zstd", compression_level=1) as writer:
            for rows in _rows(warehouse, input_file):
                table = rows.with_columns(file_id=pl.lit(file_id)).select(ROWS.names).to_arrow()
                writer.write_table(table.cast(schema))
    return parquet


def landed_files(folder: Path) -> list[LandedFile]:
    """All landed files below `folder`, in landing order."""
    found = [_described(path) for path in folder.glob("source=*/*.parquet")]
    return sorted(found, key=lambda landed: (landed.landed_at, landed.file_id))


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
    match input_file.layout:
        case "lines":
            yield from _checked(warehouse, _line_blocks(input_file.path))
        case "document":
            yield from _checked(warehouse, [_document_rows(warehouse, input_file.path, input_file.source)])
        case "csv":
            yield from _csv_rows(warehouse, input_file.path)
        case "parquet":
            yield _parquet_rows(warehouse, input_file.path)


def _checked(warehouse: Warehouse, blocks: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for block in blocks:
        with warehouse.frame("incoming_rows", block):
            yield warehouse.query(CHECKED_ROWS)


def _line_blocks(path: Path) -> Iterator[pl.DataFrame]:
    """Frames of line_number, payload, readable; blank lines are counted and left out."""
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
    text, is_utf8 = _decoded(block)
    rows = pl.DataFrame({"payload": [text.removeprefix("\ufeff")]}).select(pl.col("payload").str.split("\n").explode())
    return (
        rows.with_row_index("line_number", offset=first_number)
        .with_columns(
            pl.col("line_number").cast(pl.Int64),
            pl.col("payload").str.strip_chars("\r \t"),
        )
        .filter(pl.col("payload") != "")
        .with_columns(readable=pl.lit(True) if is_utf8 else ~pl.col("payload").str.contains("\ufffd"))
    )


def _decoded(block: bytes) -> tuple[str, bool]:
    """The block's text, and whether all of it was UTF-8; what was not is replaced by U+FFFD."""
    try:
        return block.decode(), True
    except UnicodeDecodeError:
        return block.decode(errors="replace"), False


def _document_rows(warehouse: Warehouse, path: Path, source: Source) -> pl.DataFrame:
    """The elements of one JSON document: a list, or a list wrapped under one of the source's keys."""
    with readable(path), open_bytes(path) as stream:
        content = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise InputRefused(
            "a JSON document larger than 1 GB", where=str(path), hint="Split it, or write a record a line"
        )
    text, is_utf8 = _decoded(content)
    if not is_utf8:
        raise InputRefused("the document is not UTF-8", where=str(path))
    document = pl.DataFrame({"document": [text.removeprefix("\ufeff")]})
    with warehouse.frame("incoming_document", document), refusing(path, "the document is not JSON"):
        wrapped = " ".join(
            f"when json_type(document, '$.{key}') = 'ARRAY' then json_extract(document, '$.{key}[*]')"
            for key in source.lists
        )
        elements = warehouse.connection.execute(
            "select unnest(case when json_type(document) = 'ARRAY' then json_extract(document, '$[*]') "
            f"{wrapped} else [document::json] end) as payload from incoming_document"
        )
        rows = pl.DataFrame(elements.to_arrow_table())
    return rows.select(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line_number"),
        pl.col("payload").cast(pl.String),
        pl.lit(True).alias("readable"),
    )


def _csv_rows(warehouse: Warehouse, path: Path) -> Iterator[pl.DataFrame]:
    """A CSV file's records as JSON objects; the header is line 1. Records that do not fit it are rejects."""
    options = "all_varchar = true, header = true, store_rejects = true, null_padding = false, sample_size = 1000"
    with readable(path), open_bytes(path) as stream:
        while stream.read(BLOCK_BYTES):
            pass  # DuckDB stops silently at the end of a truncated gzip: read it whole first
    with warehouse.in_order(), refusing(path, "the file is not a CSV file"):
        warehouse.connection.execute("drop table if exists reject_errors")
        warehouse.connection.execute("drop table if exists reject_scans")
        warehouse.connection.execute(
            "create or replace temp table csv_rows as select row_number() over () as row_number, "
            f"cast(to_json(t) as varchar) as payload from read_csv($path, {options}) t",
            {"path": str(path)},
        )
        rejected = pl.DataFrame(
            warehouse.connection.execute(
                "select line::bigint as line_number, any_value(csv_line) as payload, "
                "any_value(error_type)::varchar as error_type from reject_errors group by line"
            ).to_arrow_table()
        )
    with warehouse.frame("csv_rejects", rejected):
        yield warehouse.query(
            "with numbers as (select line_number, row_number() over (order by line_number) as row_number "
            "from range(2, 2 + (select count(*) from csv_rows) + (select count(*) from csv_rejects)) "
            "lines(line_number) anti join csv_rejects using (line_number)) "
            "select line_number, payload, md5(payload) as payload_hash, null::varchar as reject_reason, "
            "null::varchar as reject_detail from csv_rows join numbers using (row_number) "
            "union all select line_number, payload, md5(payload), 'broken_csv', "
            "'the record does not fit the header: ' || lower(error_type) from csv_rejects order by line_number"
        )
    warehouse.run("drop table csv_rows")


def _parquet_rows(warehouse: Warehouse, path: Path) -> pl.DataFrame:
    with warehouse.in_order(), refusing(path, "the Parquet file is damaged"):
        rows = warehouse.connection.execute(
            "select row_number() over () as line_number, cast(to_json(t) as varchar) as payload "
            "from read_parquet($path) t",
            {"path": str(path)},
        )
        frame = pl.DataFrame(rows.to_arrow_table())
    with warehouse.frame("parquet_rows", frame):
        return warehouse.query(
            "select line_number, payload, md5(payload) as payload_hash, null::varchar as reject_reason, "
            "null::varchar as reject_detail from parquet_rows order by line_number"
        )
