"""Patterns of junk and generic identifier values: the shipped list and the user's additions."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl

from cdp.errors import ConfigurationError, StatementFailed
from cdp.fields import IDENTIFIER_TYPES
from cdp.warehouse import Warehouse, open_memory

COLUMNS = ("type", "pattern", "quality", "reason")
QUALITIES = ("junk", "generic")


def load_patterns(*paths: Path) -> pl.DataFrame:
    """Read lists of patterns: CSV files of type, pattern (an RE2 regular expression that matches the whole lower-cased
    value), quality (junk or generic) and reason.

    Raises:
        ConfigurationError: a file cannot be read, or a line is invalid.
    """
    with closing(open_memory()) as warehouse:
        rows = [row for path in paths for row in _rows(path, warehouse)]
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def _rows(path: Path, warehouse: Warehouse) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened)
            if tuple(next(reader, ())) != COLUMNS:
                raise ConfigurationError(f"the columns must be {', '.join(COLUMNS)}", where=f"{path}:1")
            for row in filter(None, reader):
                problem = _problem(row, warehouse)
                if problem:
                    raise ConfigurationError(problem, where=f"{path}:{reader.line_num}")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"cannot read the list of values: {error}", where=str(path)) from error


def _problem(row: list[str], warehouse: Warehouse) -> str | None:
    if len(row) != len(COLUMNS):
        return f"{len(row)} values for {len(COLUMNS)} columns"
    kind, pattern, quality, reason = row
    if kind not in IDENTIFIER_TYPES:
        return f"unknown type {kind!r}; known types are {', '.join(IDENTIFIER_TYPES)}"
    if quality not in QUALITIES:
        return f"unknown quality {quality!r}; it must be {' or '.join(QUALITIES)}"
    if not (pattern and reason):
        return "pattern and reason are required"
    try:
        warehouse.scalar("select regexp_full_match('', $1)", [pattern])
    except StatementFailed:
        return f"invalid RE2 regular expression: {pattern}"
    return None
