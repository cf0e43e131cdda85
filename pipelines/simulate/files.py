"""Log files: rows in time order with the faults of real logs, and the truth about their lines."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

import polars as pl

from pipelines.simulate.clock import HOUR, MINUTE
from pipelines.simulate.draw import Rng, chance

BROKEN_SHARE = 1 / 2_000
REDELIVERED_SHARE = 1 / 300
_SLICE = 100_000

# JSON keys and their values: an expression, or a column name.
Fields: TypeAlias = Mapping[str, str | pl.Expr]


@dataclass(frozen=True)
class Fault:
    """A kind of corruption of a line: a regular expression and its replacement."""

    pattern: str
    replacement: str
    names_a_person: bool = False


TRUNCATED = Fault(r"^(.{70}).*$", "$1")
TOO_FEW_COLUMNS = Fault(r"^([^,]*,[^,]*),.*$", "$1")


@dataclass(frozen=True)
class LogFile:
    """A family of files: `<stem>-0001<suffix>` and so on.

    `opening`, `separator` and `closing` are the texts before, between and after the rows. `header_lines` is the number
    of lines that the opening adds (0 for documents, in which elements are counted instead of lines).
    """

    stem: str
    suffix: str
    faults: tuple[Fault, ...]
    opening: str = ""
    separator: str = "\n"
    closing: str = "\n"
    header_lines: int = 0

    @property
    def family(self) -> str:
        return self.stem + self.suffix

    def name(self, part: int) -> str:
        return f"{self.stem}-{part:04d}{self.suffix}"


@dataclass
class Redelivered:
    """Rows to redeliver in a later part file, by family, with the truth about their people."""

    rows: dict[str, pl.DataFrame] = field(default_factory=dict)
    people: pl.DataFrame | None = None


def json_object(fields: Fields) -> pl.Expr:
    """The fields as a struct per row."""
    return pl.struct((pl.col(value) if isinstance(value, str) else value).alias(key) for key, value in fields.items())


def given(name: str, value: pl.Expr) -> pl.Expr:
    """The value if the column `name` is not null, otherwise null."""
    return pl.when(pl.col(name).is_not_null()).then(value)


def json_lines(fields: Fields, *, keep_nulls: bool = False) -> pl.Expr:
    """A JSON object per row, without null values unless `keep_nulls` is set."""
    text = json_object(fields).struct.json_encode()
    if keep_nulls:
        return text
    return text.str.replace_all(r',"[^"]+":null', "").str.replace_all(r'\{"[^"]+":null,?', "{")


def csv_lines(*columns: str) -> pl.Expr:
    """The columns as an RFC 4180 line per row, quoted where needed."""
    return pl.concat_str([_csv_cell(name) for name in columns], separator=",")


def _csv_cell(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String).fill_null("")
    quoted = '"' + text.str.replace_all('"', '""', literal=True) + '"'
    return pl.when(text.str.contains('[",\n]')).then(quoted).otherwise(text)


def log_rows(rows: pl.DataFrame, describing: list[str], line: pl.Expr) -> pl.DataFrame:
    """The rows of a family: time, person, line, and a key that is equal for equal describing values."""
    key = pl.struct(describing).hash(seed=17).alias("key")
    return rows.select(pl.col("at").cast(pl.Int64), pl.col("person").cast(pl.Int64), key, line.alias("line"))


def write_part(
    rng: Rng, out: Path, log: LogFile, part: int, rows: pl.DataFrame, waiting: Redelivered, last: bool
) -> tuple[int, pl.DataFrame]:
    """Write a part file; return its number of rows and its first lines (file, line_number, person)."""
    rows = rows.with_columns(repeated=pl.Series(chance(rng, REDELIVERED_SHARE, rows.height)))
    repeats = rows.filter("repeated")
    delay = pl.Series(rng.integers(MINUTE, 12 * HOUR, repeats.height))
    later = pl.Series(chance(rng, 0.0 if last else 0.5, repeats.height))
    in_this_part = repeats.with_columns(at=pl.col("at") + delay).filter(~later)
    from_earlier_part = waiting.rows.pop(log.family, rows.clear())
    waiting.rows[log.family] = repeats.filter(later)
    broken = _with_faults(rng, log, rows)
    delivered = pl.concat([broken, _intact(in_this_part), _intact(from_earlier_part)]).sort("at", maintain_order=True)
    _write_text(out / log.name(part), log, delivered["line"])
    return delivered.height, _first_lines(log, part, delivered)


def _intact(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(fault=pl.lit(-1, dtype=pl.Int64))


def _with_faults(rng: Rng, log: LogFile, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a few lines corrupted; `fault` is the kind of fault (-1: intact)."""
    kinds = pl.Series(rng.integers(0, len(log.faults), rows.height))
    rows = rows.with_columns(fault=pl.when(pl.Series(chance(rng, BROKEN_SHARE, rows.height))).then(kinds).otherwise(-1))
    broken = [
        rows.filter(pl.col("fault") == kind).with_columns(pl.col("line").str.replace(fault.pattern, fault.replacement))
        for kind, fault in enumerate(log.faults)
    ]
    return pl.concat([rows.filter(pl.col("fault") == -1), *broken])


def _first_lines(log: LogFile, part: int, delivered: pl.DataFrame) -> pl.DataFrame:
    """The first line of each distinct description of each person.

    Corrupt lines that name a person are listed separately, and so are repeated ones, because readers differ in which of
    the two they treat as the duplicate.
    """
    nameless = [kind for kind, fault in enumerate(log.faults) if not fault.names_a_person]
    numbered = delivered.with_columns(line_number=pl.int_range(1, pl.len() + 1) + log.header_lines)
    return (
        numbered.filter(~pl.col("fault").is_in(nameless))
        .group_by("person", "key", "fault", "repeated")
        .agg(pl.col("line_number").min())
        .select(pl.lit(log.name(part)).alias("file"), "line_number", "person")
        .sort("line_number")
    )


def _write_text(path: Path, log: LogFile, lines: pl.Series) -> None:
    with path.open("wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as packed:
                _write_lines(packed.write, log, lines)
        else:
            _write_lines(raw.write, log, lines)


def _write_lines(write: Callable[[bytes], int], log: LogFile, lines: pl.Series) -> None:
    write(log.opening.encode())
    for start in range(0, len(lines), _SLICE):
        write(log.separator.encode() if start else b"")
        write(_joined(lines.slice(start, _SLICE), log.separator))
    write(log.closing.encode())


def _joined(lines: pl.Series, separator: str) -> bytes:
    text: str = lines.str.join(separator).item()
    return text.encode()


class TruthFile:
    """`truth.csv`: the person behind the lines of each file, and the truth about that person."""

    COLUMNS = (
        "file", "line_number", "person_id", "household_id", "best_channel", "best_hour", "timezone",
        "p_email", "p_sms", "p_push", "p_whatsapp",
    )  # fmt: skip

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write((",".join(self.COLUMNS) + "\n").encode())

    def add(self, first_lines: pl.DataFrame, people: pl.DataFrame) -> None:
        """Append the first lines of a file (file, line_number, person) with the truth about their people."""
        rows = first_lines.join(people, on="person", how="left", maintain_order="left").select(self.COLUMNS)
        buffer = BytesIO()
        rows.write_csv(buffer, include_header=False)
        self._file.write(buffer.getvalue())
