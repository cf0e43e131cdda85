"""Delimited text (CSV, RFC 4180): lines to records as JSON objects, each with the number of its first line.

Lines without quotes are split by the delimiter, vectorised. Where there is a quote, the standard library's `csv.reader`
reads the record and determines how many lines it spans. DuckDB's and Polars' own readers are not used: neither gives
the line of a record after blank lines, quoted line breaks or broken records.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import accumulate

import numpy as np
import polars as pl
import pyarrow as pa

DELIMITERS = ",;\t|"
# A quote that is not closed within this many lines is taken as a stray character, not as the start of a field.
MAX_RECORD_LINES = 1000

# `csv.reader` treats a carriage return as the end of a line, but the lines are already split: a remaining one is data.
# During reading it is replaced by a lone surrogate, which cannot occur in decoded text.
_RETURN = "\udc0d"

# The reader's own limit of 128 KB guards against unclosed quotes; here MAX_RECORD_LINES does.
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class Dialect:
    """How a file's records are written: the delimiter and the names of the fields."""

    delimiter: str
    names: tuple[str, ...]


def dialect_of(header: str) -> Dialect:
    """The dialect of a header. Empty or repeated names are made distinct."""
    delimiter = _delimiter_of(header)
    cells = next(csv.reader(StringIO(header, newline=""), delimiter=delimiter))
    return Dialect(delimiter, tuple(_distinct([cell.strip() for cell in cells])))


def header_of(lines: Sequence[str]) -> str:
    """The header of a file that begins with these lines; the first one must not be blank."""
    _, end = _RecordReader(lines, _delimiter_of(lines[0])).record_at(0)
    return lines[0] if end > len(lines) else "\n".join(lines[:end])


def records(lines: pl.DataFrame, dialect: Dialect, *, is_last: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The records in `lines`, and the trailing lines of a record that may continue after them.

    A record is line_number, payload (a JSON object keyed by the header's names; empty fields are null), reject_reason,
    reject_detail. A record that does not fit the header is a reject with the original text as its payload.

    Args:
        lines: line_number, text, is_utf8.
        is_last: no lines follow.
    """
    found = _quoted_records(lines, dialect.delimiter, is_last=is_last)
    plain = found.outside(lines).filter(pl.col("text") != "")
    rows = plain.with_columns(fields=pl.col("text").str.split(dialect.delimiter))
    if found.firsts:
        rows = pl.concat([rows, found.rows(lines)]).sort("line_number")
    return _payloads(rows, dialect), lines[found.complete :]


@dataclass
class _Lines(Iterator[str]):
    """Lines for `csv.reader`, starting at any of them."""

    text: Sequence[str]
    # The next line; the number of lines plus one after reading past the end.
    at: int = 0

    def __next__(self) -> str:
        self.at += 1
        if self.at > len(self.text):
            raise StopIteration
        return self.text[self.at - 1].replace("\r", _RETURN) + "\n"


class _RecordReader:
    """Reads the record that begins on a given line."""

    def __init__(self, text: Sequence[str], delimiter: str) -> None:
        self._lines = _Lines(text)
        self._strict = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self._lenient = csv.reader(self._lines, delimiter=delimiter)

    def record_at(self, line: int) -> tuple[list[str], int]:
        """The fields of the record that begins on a line, and the line after it; past the last line if it is
        incomplete.

        There are no fields if a quote is misplaced. Such a record ends where a lenient reader ends it.
        """
        self._lines.at = line
        try:
            return next(self._strict), self._lines.at
        except csv.Error:
            self._lines.at = line
            next(self._lenient)
            return [], self._lines.at


@dataclass
class _QuotedRecords:
    """The records with quotes: each spans the lines from its `firsts` up to (not including) its `ends`, and has as many
    of the `fields` as its `counts`; 0 if a quote is misplaced.
    """

    text: Sequence[str]
    # The lines before this one are complete; the record that begins on it may continue.
    complete: int
    firsts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)

    def add(self, first: int, end: int, fields: Sequence[str]) -> None:
        self.firsts.append(first)
        self.ends.append(end)
        self.counts.append(len(fields))
        self.fields += fields

    def outside(self, lines: pl.DataFrame) -> pl.DataFrame:
        """The complete lines outside these records."""
        depth = np.zeros(self.complete + 1, dtype=np.int8)
        depth[self.firsts] += 1
        depth[self.ends] -= 1
        return lines[: self.complete].filter(depth[:-1].cumsum() == 0)

    def rows(self, lines: pl.DataFrame) -> pl.DataFrame:
        """line_number, text, is_utf8, fields."""
        unreadable = set(lines["is_utf8"].not_().arg_true())
        return pl.DataFrame(
            {
                "line_number": lines["line_number"].gather(self.firsts),
                "text": ["\n".join(self.text[span]) for span in map(slice, self.firsts, self.ends)],
                "is_utf8": [unreadable.isdisjoint(span) for span in map(range, self.firsts, self.ends)],
                "fields": self._lists(),
            }
        )

    def _lists(self) -> pl.Series:
        """The fields of each record as a list, built in Arrow: Polars takes ten times as long to read lists of
        lists."""
        fields = pl.Series(self._with_returns(), dtype=pl.String)
        offsets = pl.Series([0, *accumulate(self.counts)], dtype=pl.Int64)
        return pl.Series(pa.LargeListArray.from_arrays(offsets.to_arrow(), fields.to_arrow()))

    def _with_returns(self) -> list[str]:
        if not any("\r" in line for line in self.text):
            return self.fields
        return [field.replace(_RETURN, "\r") for field in self.fields]


def _quoted_records(lines: pl.DataFrame, delimiter: str, *, is_last: bool) -> _QuotedRecords:
    quoted = lines["text"].str.contains('"', literal=True).arg_true()
    text = lines["text"].to_list() if len(quoted) else []
    found, reader, end = _QuotedRecords(text, lines.height), _RecordReader(text, delimiter), 0
    for first in quoted:
        if first < end:
            continue
        fields, end = reader.record_at(first)
        goes_on = end > len(text)
        if goes_on and not is_last and len(text) - first < MAX_RECORD_LINES:
            found.complete = first
            break
        if goes_on or end - first > MAX_RECORD_LINES:
            # A stray quote: only its own line is rejected, not those after it.
            fields, end = [], first + 1
        found.add(first, end, fields)
    return found


def _payloads(rows: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    width = len(dialect.names)
    count = pl.col("fields").list.len()
    detail = (
        pl.when(~pl.col("is_utf8"))
        .then(pl.lit("the bytes are not UTF-8"))
        .when(count == 0)
        .then(pl.lit("a quote is misplaced"))
        .when(count < width)
        .then(pl.lit("fewer fields than the header"))
        .when(count > width)
        .then(pl.lit("more fields than the header"))
    )
    as_object = pl.struct(
        pl.col("fields").list.get(position, null_on_oob=True).replace("", None).alias(name)
        for position, name in enumerate(dialect.names)
    ).struct.json_encode()
    return rows.with_columns(reject_detail=detail).select(
        "line_number",
        payload=pl.when(pl.col("reject_detail").is_null()).then(as_object).otherwise("text"),
        reject_reason=pl.when(~pl.col("is_utf8"))
        .then(pl.lit("not_utf8"))
        .when(pl.col("reject_detail").is_not_null())
        .then(pl.lit("broken_csv")),
        reject_detail="reject_detail",
    )


def _delimiter_of(header: str) -> str:
    return max(DELIMITERS, key=header.count)


def _distinct(names: list[str]) -> Iterator[str]:
    taken: set[str] = set()
    for position, name in enumerate(names):
        wanted = name or f"column{position}"
        free = next(name for name in _numbered_names(wanted) if name not in taken)
        taken.add(free)
        yield free


def _numbered_names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in range(1, 10_000))
