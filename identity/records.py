"""Records and labels that users supply for an evaluation: read and validated, with one-line errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from cdp import tables
from cdp.errors import IdentityError, InputRefused

# The columns of an observation, except the ids and line numbers that landing assigns.
RECORD_COLUMNS = tuple(
    name for name in tables.OBSERVATIONS.column_names() if name not in ("observation_id", "file_id", "line_number")
)


def read_records(path: Path) -> pl.DataFrame:
    """Read records from CSV or Parquet as text: record_id and any of `RECORD_COLUMNS`.

    Raises:
        InputRefused: the file is not such a table, or its record ids are missing or not unique.
    """
    records = _read(path)
    # First: without it the first line may be data, which must not appear in an error about unknown columns.
    _require(records, path, ("record_id",))
    unknown = [name for name in records.columns if name not in ("record_id", *RECORD_COLUMNS)]
    if unknown:
        raise InputRefused(
            f"unknown columns: {', '.join(unknown)}",
            where=str(path),
            hint=f"Rename or drop them; the known columns are record_id, {', '.join(RECORD_COLUMNS)}",
        )
    _refuse_rows(records, pl.col("record_id").is_null(), path, "record_id is missing")
    _refuse_rows(records, ~pl.col("record_id").is_first_distinct(), path, "duplicate record_id")
    return records


def read_truth(path: Path, records: pl.DataFrame) -> pl.DataFrame:
    """Read the true entity of each of `records` from CSV or Parquet: record_id, entity_id.

    Raises:
        InputRefused: the file is not such a table.
        IdentityError: a record is listed twice or without an entity, or the file does not cover exactly these records.
    """
    truth = _read(path)
    _require(truth, path, ("record_id", "entity_id"))
    for name in ("record_id", "entity_id"):
        _refuse_truth(truth, pl.col(name).is_null(), path, f"{name} is missing")
    _refuse_truth(truth, ~pl.col("record_id").is_first_distinct(), path, "duplicate record_id")
    unlabelled = records.join(truth, on="record_id", how="anti").height
    unknown = truth.join(records, on="record_id", how="anti").height
    if unlabelled or unknown:
        raise IdentityError(
            f"the truth does not match the records: {unlabelled:,} records are not in it, "
            f"{unknown:,} of its record ids are unknown",
            where=str(path),
            hint="Give the truth for exactly these records",
        )
    return truth.select("record_id", "entity_id")


def read_line_truth(path: Path) -> pl.DataFrame:
    """Read the true person of each log line from a simulation's truth.csv: file, line_number, person_id.

    Raises:
        InputRefused: the file is not such a table.
    """
    truth = _read(path)
    _require(truth, path, ("file", "line_number", "person_id"))
    return truth.select("file", pl.col("line_number").cast(pl.Int64, strict=False), "person_id")


def _read(path: Path) -> pl.DataFrame:
    """The table, with all columns as text."""
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path).cast(pl.String)
        else:
            table = pl.read_csv(path, infer_schema=False)
    except OSError as error:
        raise InputRefused(f"cannot be read: {error.strerror or 'no such file'}", where=str(path)) from error
    except pl.exceptions.NoDataError:
        raise InputRefused("the file is empty", where=str(path), hint="Give a header and one line per record") from None
    except pl.exceptions.PolarsError as error:
        raise InputRefused(
            "not a table", where=str(path), hint="Give CSV in UTF-8, or Parquet without nested columns"
        ) from error
    if table.is_empty():
        raise InputRefused("the file has no rows", where=str(path))
    return table


def _require(table: pl.DataFrame, path: Path, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputRefused(
            f"missing columns: {', '.join(missing)}",
            where=str(path),
            hint=f"The first line must name {', '.join(columns)}",
        )


def _refuse_rows(table: pl.DataFrame, invalid: pl.Expr, path: Path, what: str) -> None:
    line = _first_line(table, invalid)
    if line:
        raise InputRefused(what, where=f"{path}:{line}", hint="Each record needs a unique id")


def _refuse_truth(table: pl.DataFrame, invalid: pl.Expr, path: Path, what: str) -> None:
    line = _first_line(table, invalid)
    if line:
        raise IdentityError(what, where=f"{path}:{line}", hint="The truth has one line per record: record_id,entity_id")


def _first_line(table: pl.DataFrame, invalid: pl.Expr) -> int | None:
    """The line number of the first row for which `invalid` is true; the header is line 1."""
    rows = table.select(invalid.arg_true().alias("row"))["row"]
    return int(rows[0]) + 2 if len(rows) else None
