"""The rows of an input file, in blocks: the payload of each line, its hash, and why it is rejected if it is
unreadable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from cdp.errors import InputRefused
from cdp.warehouse import Warehouse, refusing
from pipelines.land.delimited import MAX_RECORD_LINES, Dialect, dialect_of, header_of, records
from pipelines.land.head import Layout
from pipelines.land.reading import open_bytes, readable
from pipelines.land.recognise import InputFile

BLOCK_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 256 * 1024 * 1024
MAX_DOCUMENT_BYTES = 1024 * 1024 * 1024
PARQUET_ROWS = 50_000
DAMAGED_PARQUET = "the Parquet file is damaged"

CHECKED_ROWS = """
select line_number, payload, md5(payload) as payload_hash,
    coalesce(reject_reason, if(json_valid(payload), null, 'broken_json')) as reject_reason,
    coalesce(reject_detail, if(json_valid(payload), null, 'the line is not JSON')) as reject_detail
from incoming_rows order by line_number
"""


def rows_of(warehouse: Warehouse, input_file: InputFile) -> Iterator[pl.DataFrame]:
    """Frames of line_number, payload, payload_hash, reject_reason, reject_detail."""
    path = input_file.path
    for block in _blocks(warehouse, input_file.layout, path, input_file.source.lists):
        yield checked_rows(warehouse, block)


def checked_rows(warehouse: Warehouse, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` (line_number, payload, reject_reason, reject_detail) with payload_hash; rows that are not JSON are
    rejected."""
    with warehouse.frame("incoming_rows", rows):
        return warehouse.query(CHECKED_ROWS)


def _blocks(warehouse: Warehouse, layout: Layout, path: Path, lists: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Frames of line_number, payload, reject_reason, reject_detail: what the layout alone determines."""
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
    """Frames of line_number, text, is_utf8: every line of the file, including blank ones."""
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
    """text, is_utf8; bytes that are not UTF-8 become U+FFFD."""
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
    """A CSV file's records as JSON objects keyed by the names in its header."""
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
    """Each block, and whether it is the last one."""
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
            "a JSON document larger than 1 GB", where=str(path), hint="Split it, or write one record per line"
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
