"""Delimited text (CSV, RFC 4180): lines to records as JSON objects, each with the line that it begins on.

Lines are split set-wise. DuckDB's and Polars' own readers are not used: neither says on which line a record
stands once there are blank lines, quoted line breaks or broken records before it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

import numpy as np
import polars as pl

DELIMITERS = ",;\t|"
# A quote that is not closed within so many lines was never meant to open a field.
MAX_RECORD_LINES = 1000

_QUOTED = r'"(?:[^"]|"")*"'


@dataclass(frozen=True)
class Dialect:
    """How a file's records are written: what parts the fields, and what the fields are called."""

    delimiter: str
    names: tuple[str, ...]


def dialect_of(header: str) -> Dialect:
    """The dialect that a header is written in. A name that is empty or repeated is made distinct."""
    delimiter = max(DELIMITERS, key=header.count)
    cells = next(csv.reader(StringIO(header, newline=""), delimiter=delimiter))
    return Dialect(delimiter, tuple(_distinct([cell.strip() for cell in cells])))


def join_lines(lines: pl.DataFrame, delimiter: str, *, is_last: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Join the lines of records whose quoted fields span several.

    Args:
        lines: line_number, text, is_utf8.
        is_last: nothing follows these lines.

    Returns:
        The joined lines, and the lines at the end that may go on in what follows.
    """
    opens = lines.select(_opens_quote(delimiter)).to_series().to_numpy().nonzero()[0]
    if not len(opens):
        return lines, lines.clear()
    text = lines["text"].to_list()
    may_close = lines.select(pl.col("text").str.replace_all('""', "").str.contains('"')).to_series().to_numpy()
    continues = np.zeros(len(text), dtype=bool)
    carried_from, end = len(text), -1
    # Where a record ends depends on where the one before it did. Only records that span lines are looked at.
    for start in opens:
        if start <= end:
            continue
        limit = min(len(text), start + MAX_RECORD_LINES)
        closing = (start + 1 + may_close[start + 1 : limit].nonzero()[0]).tolist()
        end = next((stop for stop in closing if _is_closed("\n".join(text[start : stop + 1]), delimiter)), -1)
        continues[start + 1 : end + 1] = True
        if end < 0 and limit == len(text) and not is_last:
            carried_from = int(start)
            break
    return _joined(lines[:carried_from], continues[:carried_from]), lines[carried_from:]


def records(lines: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    """Records as line_number, payload (a JSON object by the header's names; empty fields are null), reject_reason,
    reject_detail. A record that does not fit the header is a reject, its payload the text as it came.

    Args:
        lines: line_number, text, is_utf8: a record a row.
    """
    width = len(dialect.names)
    rows = lines.filter(pl.col("text") != "").with_columns(fields=_fields(dialect.delimiter))
    count = pl.col("fields").list.len()
    detail = (
        pl.when(~pl.col("is_utf8"))
        .then(pl.lit("the bytes are not UTF-8"))
        .when(pl.col("fields").is_null())
        .then(pl.lit("a quote is out of place"))
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


def _field_start(delimiter: str) -> str:
    return rf"(?:^|{re.escape(delimiter)})"


def _opens_quote(delimiter: str) -> pl.Expr:
    """Whether a line, read from a record's beginning, ends within a quoted field."""
    quoted_field = _field_start(delimiter) + '"'
    return pl.col("text").str.contains(quoted_field) & pl.col("text").str.replace_all(_QUOTED, "").str.contains(
        quoted_field
    )


def _is_closed(text: str, delimiter: str) -> bool:
    return not re.search(_field_start(delimiter) + '"', re.sub(_QUOTED, "", text))


def _joined(lines: pl.DataFrame, continues: np.ndarray) -> pl.DataFrame:
    return (
        lines.with_columns(record=pl.Series(~continues).cum_sum())
        .group_by("record", maintain_order=True)
        .agg(pl.col("line_number").first(), pl.col("text").str.join("\n"), pl.col("is_utf8").all())
        .drop("record")
    )


def _fields(delimiter: str) -> pl.Expr:
    """The list of a record's fields; null where a quoted field is followed by more than a delimiter."""
    text, mark = pl.col("text"), re.escape(delimiter)
    # Led by a delimiter every field looks alike.
    led = delimiter + text
    found = led.str.extract_all(rf'{mark}(?:{_QUOTED}|[^"{mark}][^{mark}]*|)')
    field = pl.element().str.strip_prefix(delimiter)
    unquoted = (
        pl.when(field.str.starts_with('"'))
        .then(field.str.head(-1).str.tail(-1).str.replace_all('""', '"'))
        .otherwise(field)
    )
    return (
        pl.when(~led.str.contains(mark + '"'))
        .then(text.str.split(delimiter))
        .when(found.list.join("") == led)
        .then(found.list.eval(unquoted))
    )
