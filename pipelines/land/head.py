"""The beginning of a file: its layout and the keys of its first records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from cdp import json_text
from cdp.errors import InputRefused
from pipelines.land.delimited import MAX_RECORD_LINES, dialect_of, header_of
from pipelines.land.reading import open_bytes, readable

Layout = Literal["lines", "document", "csv", "parquet"]

LINE_SUFFIXES = {".jsonl", ".ndjson"}
SNIFFED_BYTES = 256 * 1024
# Up to this many NULs at the beginning of a file are dirt in a text; more mean UTF-16 or a binary file.
SNIFFED_TEXT, STRAY_NULS = 1024, 8
SNIFFED_RECORDS = 50


@dataclass(frozen=True)
class Head:
    """The layout of a file and the keys of its first records, from which its source is detected."""

    layout: Layout
    records: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, path: Path) -> Head:
        with readable(path), open_bytes(path) as stream:
            head = stream.read(SNIFFED_BYTES)
        if head.startswith(b"PAR1"):
            return cls("parquet", (frozenset(_parquet_columns(path)),))
        text = head.decode("utf-8", errors="replace").lstrip("\ufeff")
        if not text.strip():
            raise InputRefused("the file is empty", where=str(path))
        if text[:SNIFFED_TEXT].count("\0") > STRAY_NULS:
            raise InputRefused("neither UTF-8 text nor Parquet", where=str(path), hint="Save it as UTF-8")
        layout = _text_layout(path, text)
        if layout == "csv":
            return cls(layout, (frozenset(_csv_names(path, text)),))
        return cls(layout, tuple(frozenset(record) for record in _json_records(text, layout)))

    def columns(self) -> list[str]:
        return sorted({key for record in self.records for key in record})


def _parquet_columns(path: Path) -> list[str]:
    try:
        return list(pl.read_parquet_schema(path))
    except pl.exceptions.PolarsError as error:
        raise InputRefused("the Parquet file is damaged", where=str(path), hint="Download it again") from error


def _text_layout(path: Path, text: str) -> Layout:
    """`lines` by the file's suffix or if most lines are JSON; `document` by its first character; otherwise `csv`."""
    if LINE_SUFFIXES & {suffix.lower() for suffix in path.suffixes}:
        return "lines"
    if text.lstrip()[0] not in "{[":
        return "csv"
    lines = [value for line in text.splitlines()[:SNIFFED_RECORDS] if line.strip() for value in [_parsed(line)]]
    if len(lines) > 1:
        return "lines" if 2 * sum(isinstance(value, (dict, list)) for value in lines) >= len(lines) else "document"
    return "document" if lines[0] is None or _wraps_records(lines[0]) else "lines"


def _wraps_records(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and any(map(_is_records, value.values())))


def _json_records(text: str, layout: Layout) -> Iterator[dict[str, Any]]:
    values = map(_parsed, text.splitlines()[:SNIFFED_RECORDS]) if layout == "lines" else iter(_first_element(text))
    for value in values:
        yield from _records_in(value)


def _records_in(value: Any) -> Iterator[dict[str, Any]]:
    """The records of a parsed value: the value itself, a list's elements, or the elements of a wrapped list."""
    if isinstance(value, list):
        yield from (element for element in value if isinstance(element, dict))
    elif isinstance(value, dict):
        yield value
        for inner in value.values():
            if _is_records(inner):
                yield from inner


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(element, dict) for element in value)


def _first_element(text: str) -> Iterator[Any]:
    """The first record of a document; `text` may be only its beginning."""
    whole = _parsed(text)
    if whole is not None:
        yield whole
        return
    try:
        parsable = json_text.shallow(text)
        yield json.JSONDecoder().raw_decode(parsable, _start_of_list(parsable))[0]
    except ValueError:
        return


def _start_of_list(text: str) -> int:
    start = text.find("[") + 1
    while start and start < len(text) and text[start] in " \r\n\t":
        start += 1
    return start


def _parsed(text: str) -> Any | None:
    try:
        return json_text.loads(text)
    except ValueError:
        return None


def _csv_names(path: Path, text: str) -> tuple[str, ...]:
    """The names in a CSV file's header."""
    lines = text.lstrip().replace("\r\n", "\n").split("\n", MAX_RECORD_LINES)
    if "\r" in lines[0].rstrip() and not any(lines[1:]):
        problem = "the lines end with a carriage return only"
        raise InputRefused(problem, where=str(path), hint="Save it with Unix or Windows line endings")
    return dialect_of(header_of(lines)).names
