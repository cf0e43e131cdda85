"""Records and truths as users hand them in for an evaluation: read, checked, refused in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from cdp import tables
from cdp.errors import IdentityError, InputRefused

# What a record may say: what an observation holds, but for the ids and lines that landing gives it.
RECORD_COLUMNS = tuple(
    name for name in tables.OBSERVATIONS.column_names() if name not in ("observation_id", "file_id", "line_number")
)


def read_records(path: Path) -> pl.DataFrame:
    """Records from CSV or Parquet, as text: record_id and some of `RECORD_COLUMNS`.

    Raises:
        InputRefused: the file is no such table, or its record ids do not tell its rows apart.
    """
    records = _read(path)
    # First, because without it the first line may be no header, and must not stand in an error.
    _require(records, path, ("record_id",))
    unknown = [name for name in records.columns if name not in ("record_id", *RECORD_COLUMNS)]
    if unknown:
        raise InputRefused(
            f"unknown columns: {', '.join(unknown)}",
            where=str(path),
            hint=f"Rename or drop them; known are record_id, {', '.join(RECORD_COLUMNS)}",
        )
    _refuse_rows(records, pl.col("record_id").is_null(), path, "a record without record_id")
    _refuse_rows(records, ~pl.col("record_id").is_first_distinct(), path, "the same record_id again")
    return records


def read_truth(path: Path, records: pl.DataFrame) -> pl.DataFrame:
    """Who is behind which of `records`, from CSV or Parquet: record_id, entity_id.

    Raises:
        InputRefused: the file is no such table.
        IdentityError: it names a record twice or no entity of it, or speaks of other records than these.
    """
    truth = _read(path)
    _require(truth, path, ("record_id", "entity_id"))
    for name in ("record_id", "entity_id"):
        _refuse_truth(truth, pl.col(name).is_null(), path, f"a line without {name}")
    _refuse_truth(truth, ~pl.col("record_id").is_first_distinct(), path, "the same record_id again")
    untold = records.join(truth, on="record_id", how="anti").height
    unknown = truth.join(records, on="record_id", how="anti").height
    if untold or unknown:
        raise IdentityError(
            f"the truth does not fit the records: {untold:,} records are not in it, "
            f"{unknown:,} of its lines name no record",
            where=str(path),
            hint="Give the truth of exactly these records",
        )
    return truth.select("record_id", "entity_id")


def read_line_truth(path: Path) -> pl.DataFrame:
    """Who is behind which line of a simulation's logs, from its truth.csv: file, line_number, person_id.

    Raises:
        InputRefused: the file is no such table.
    """
    truth = _read(path)
    _require(truth, path, ("file", "line_number", "person_id"))
    return truth.select("file", pl.col("line_number").cast(pl.Int64, strict=False), "person_id")


def _read(path: Path) -> pl.DataFrame:
    """All columns as text."""
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path).cast(pl.String)
        else:
            table = pl.read_csv(path, infer_schema=False)
    except OSError as error:
        raise InputRefused(f"cannot be read: {error.strerror or 'no such file'}", where=str(path)) from error
    except pl.exceptions.NoDataError:
        raise InputRefused("the file is empty", where=str(path), hint="Give a header and a line a record") from None
    except pl.exceptions.PolarsError as error:
        raise InputRefused(
            "not a table", where=str(path), hint="Give CSV in UTF-8, or Parquet without nested columns"
        ) from error
    if table.is_empty():
        raise InputRefused("the file holds no row", where=str(path))
    return table


def _require(table: pl.DataFrame, path: Path, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputRefused(
            f"no column {' and no column '.join(missing)}",
            where=str(path),
            hint=f"Its first line must name {' and '.join(columns)}",
        )


def _refuse_rows(table: pl.DataFrame, wrong: pl.Expr, path: Path, what: str) -> None:
    line = _first_line(table, wrong)
    if line:
        raise InputRefused(what, where=f"{path}:{line}", hint="Each record needs an id of its own")


def _refuse_truth(table: pl.DataFrame, wrong: pl.Expr, path: Path, what: str) -> None:
    line = _first_line(table, wrong)
    if line:
        raise IdentityError(what, where=f"{path}:{line}", hint="A truth has one line a record: record_id,entity_id")


def _first_line(table: pl.DataFrame, wrong: pl.Expr) -> int | None:
    """The line of the first row of which `wrong` is true; the header is line 1."""
    rows = table.select(wrong.arg_true().alias("row"))["row"]
    return int(rows[0]) + 2 if len(rows) else None
