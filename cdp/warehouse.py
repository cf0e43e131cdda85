"""The DuckDB warehouse: the published file that all readers use, and the working copy that a run writes.

The only module that imports duckdb. The published file is never written to: a run works on a copy and renames it into
place, so readers keep the file they opened and are never locked out.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from cdp.channels import sql_helpers
from cdp.contract import Table
from cdp.errors import CdpError, ConfigurationError, InputRefused, StatementFailed, Unavailable, UsageError
from cdp.json_text import MAX_DEPTH
from cdp.settings import Settings

FILE_NAME = "warehouse.duckdb"

# Helpers shared by the sources' SELECTs and the tables' SQL. Each returns NULL for invalid input.
MACROS = r"""
create or replace temp macro plausible(t) as
    case when t > timestamptz '1900-01-01' and t < timestamptz '2200-01-01' then t end;
create or replace temp macro from_unix(seconds) as
    plausible(to_timestamp(try_cast(try_cast(seconds as decimal(16, 6)) as double)));
create or replace temp macro from_iso(text) as
    plausible(try_cast(replace(cast(text as varchar), ' UTC', '+00') as timestamptz));
create or replace temp macro from_rfc2822(text) as
    try_strptime(cast(text as varchar), '%a, %d %b %Y %H:%M:%S %z');
create or replace temp macro crockford(number) as translate(
    to_base((number >> 120::uhugeint)::bigint, 32, 2)
        || to_base(((number >> 60::uhugeint) & 1152921504606846975::uhugeint)::bigint, 32, 12)
        || to_base((number & 1152921504606846975::uhugeint)::bigint, 32, 12),
    'IJKLMNOPQRSTUV', 'JKMNPQRSTVWXYZ');
-- As `cdp.consent.statement.end_of`: a time in whole seconds is a second long.
create or replace temp macro end_of(t) as
    if(t = date_trunc('second', t), t + interval 999999 microsecond, t);
-- Text that fits an index and a page. PostgreSQL takes no NUL.
create or replace temp macro short_text(t, most) as
    if(length(trim(replace(t, chr(0), ''))) between 1 and most, trim(replace(t, chr(0), '')), null);
create or replace temp macro positive(number) as if(number > 0, number, null);
-- An address with an @ may hold somebody's e-mail, or lead elsewhere than it seems to.
create or replace temp macro web_url(t) as
    if(length(trim(t)) <= 500 and regexp_full_match(trim(t), 'https?://[^\s@"''<>\\^`{|}]+')
        and not contains(t, '%40'), trim(t), null);
-- A text has to have this many brackets to be this deep, which costs little to see. Outside of strings, the innermost
-- pairs are taken away, a level each time.
create or replace temp macro is_nested_too_deeply(text) as
    case when text like repeat('%{', $depth // 2 + 1) || '%' or text like repeat('%[', $depth // 2 + 1) || '%' then
        list_reduce(list_transform(range($depth), lambda level: ''),
            lambda rest, level: regexp_replace(rest, '\{\}|\[\]', '', 'g'),
            regexp_replace(text, '"(?:[^"\\]|\\.)*"|[^\[\]{}"]+', '', 'g')) <> ''
    else false end;
create or replace temp macro iso(t) as strftime(t, '%Y-%m-%dT%H:%M:%S.%gZ');
""".replace("$depth", str(MAX_DEPTH))

Parameters = Sequence[Any] | Mapping[str, Any] | None


class Warehouse:
    """An open DuckDB connection with the project's settings, macros and errors."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Path | None = None) -> None:
        """`scratch`: a folder for temporary files; defaults to the system's."""
        self.connection = connection
        self.scratch = scratch
        connection.execute("set timezone = 'UTC'")
        connection.execute("set autoinstall_known_extensions = false")

    def run(self, statement: str, parameters: Parameters = None, *, name: str = "statement") -> None:
        """Execute `statement`; `name` (the table it creates) appears in the error if it fails."""
        with _translated(name, statement):
            self.connection.execute(statement, parameters)

    def query(self, statement: str, parameters: Parameters = None) -> pl.DataFrame:
        """The result of `statement` as a Polars frame."""
        with _translated("query", statement):
            return pl.DataFrame(self.connection.execute(statement, parameters).to_arrow_table())

    def rows(self, statement: str, *, name: str = "query") -> list[tuple[Any, ...]]:
        """The result of `statement` as Python values: for few rows, where a frame is not worth its cost."""
        with _translated(name, statement):
            return self.connection.execute(statement).fetchall()

    def scalar(self, statement: str, parameters: Parameters = None) -> Any:
        """The first value of the first row."""
        with _translated("query", statement):
            row = self.connection.execute(statement, parameters).fetchone()
        return row[0] if row else None

    def count(self, table: str) -> int:
        return int(self.scalar(f"select count(*) from {table}"))

    @contextmanager
    def frame(self, name: str, rows: pl.DataFrame) -> Iterator[None]:
        """Make `rows` available as the relation `name` within the block."""
        self.connection.register(name, rows.to_arrow())
        try:
            yield
        finally:
            self.connection.unregister(name)

    def beside(self) -> Warehouse:
        """The same database over a new connection, for another thread; it lacks the macros."""
        return Warehouse(self.connection.cursor(), self.scratch)

    def replace_rows(self, table: Table, rows: pl.DataFrame) -> None:
        """Make `rows` the whole content of `table`; columns are matched by name."""
        self.run(f"delete from {table.full_name}", name=table.full_name)
        self.append_rows(table, rows)

    def append_rows(self, table: Table, rows: pl.DataFrame) -> None:
        with self.frame("incoming_rows", rows):
            names = ", ".join(f'"{name}"' for name in rows.columns)
            self.run(
                f"insert into {table.full_name} by name select {names} from incoming_rows",
                name=table.full_name,
            )

    def create_tables(self, tables: Sequence[Table]) -> None:
        for table in tables:
            self.run(f"create schema if not exists {table.schema}")
            self.run(table.ddl(), name=table.full_name)

    def is_outdated(self, tables: Sequence[Table]) -> bool:
        """Whether it was written by an earlier version: a table lacks a column, or is not there at all."""
        found = "select table_schema || '.' || table_name, column_name from information_schema.columns"
        present: dict[str, set[str]] = {}
        for name, column in self.rows(found, name="information_schema"):
            present.setdefault(name, set()).add(column)
        is_new = not any(table.full_name in present for table in tables)
        return not is_new and any(
            not present.get(table.full_name, set()).issuperset(table.column_names()) for table in tables
        )

    def close(self) -> None:
        self.connection.close()


def open_memory() -> Warehouse:
    """An empty in-memory warehouse, with the macros that sources' SELECTs use."""
    warehouse = Warehouse(duckdb.connect())
    warehouse.run(MACROS + sql_helpers(), name="macros")
    return warehouse


def published_path(home: Path) -> Path:
    return home / FILE_NAME


def open_published(settings: Settings) -> Warehouse:
    """Open the last published warehouse, read-only.

    Raises:
        Unavailable: nothing has been published yet.
    """
    path = published_path(settings.home)
    if not path.exists():
        raise Unavailable("there is no warehouse yet", where=str(path), hint="Run `cdp run INPUT` or `cdp demo`")
    return _open(path, settings, settings.home / "work", read_only=True)


def open_working_copy(settings: Settings, scratch: Path, *, empty: bool) -> Warehouse:
    """A writable copy of the published warehouse in `scratch`, or an empty one."""
    path = scratch / FILE_NAME
    published = published_path(settings.home)
    with disk_errors(scratch):
        path.unlink(missing_ok=True)
        if published.exists() and not empty:
            shutil.copyfile(published, path)
    return _open(path, settings, scratch, read_only=False)


def publish(warehouse: Warehouse, scratch: Path, settings: Settings) -> Warehouse:
    """Atomically replace the published warehouse by the working copy; return it, opened read-only.

    It is opened before the move: DuckDB treats a path that this process already has open as the same database.
    """
    with _translated("warehouse", "checkpoint"):
        warehouse.connection.execute("checkpoint")
    warehouse.close()
    published = _open(scratch / FILE_NAME, settings, scratch, read_only=True)
    with disk_errors(settings.home):
        flush(scratch / FILE_NAME)
        (scratch / FILE_NAME).replace(published_path(settings.home))
    return published


def flush(path: Path) -> None:
    """Sync a file's content to disk, so that it survives a power failure."""
    with path.open("rb") as written:
        os.fsync(written.fileno())


@contextmanager
def run_lock(home: Path) -> Iterator[None]:
    """Hold the exclusive lock for runs. The kernel releases it if the process dies.

    Raises:
        Unavailable: another run holds the lock.
    """
    with disk_errors(home):
        (home / "work").mkdir(parents=True, exist_ok=True)
        lock = (home / "work" / "run.lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                "another run is in progress",
                where=str(home),
                hint="Wait until it has finished; `cdp status` shows it",
            ) from None
        yield


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn errors of the operating system into `Unavailable`."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"cannot write: {error.strerror or error}", where=str(place), hint="Free space or fix permissions"
        ) from error


def user_query(settings: Settings, statement: str) -> pl.DataFrame:
    """Run an analyst's SQL on the published warehouse, read-only.

    Raises:
        UsageError: the statement is invalid. The message is DuckDB's own if it is about the statement; if it might
            quote a value of a row, only the kind of error is given.
    """
    warehouse = open_published(settings)
    try:
        return pl.DataFrame(warehouse.connection.execute(statement).to_arrow_table())
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
        raise UsageError(str(error).splitlines()[0], where="sql") from None
    except duckdb.Error as error:
        if "read-only" in str(error):
            raise UsageError("the warehouse is read-only", where="sql", hint="Only runs write to it") from None
        kind = type(error).__name__.removesuffix("Exception")
        raise UsageError(
            f"the statement failed: {kind}", where="sql", hint="Check for a cast that fails on some value"
        ) from None
    finally:
        warehouse.close()


def _open(path: Path, settings: Settings, scratch: Path, *, read_only: bool) -> Warehouse:
    with _translated("warehouse", "open"):
        connection = duckdb.connect(
            str(path),
            read_only=read_only,
            config={
                "threads": settings.threads,
                "memory_limit": settings.memory_limit.replace(" ", ""),
                "temp_directory": str(scratch / "spill"),
                "preserve_insertion_order": False,
                # `publish` makes the only checkpoint: an unpublished working copy is discarded.
                "checkpoint_threshold": "1TB",
            },
        )
        warehouse = Warehouse(connection, scratch)
        warehouse.run(MACROS + sql_helpers(), name="macros")
    return warehouse


@contextmanager
def refusing(path: Path, problem: str) -> Iterator[None]:
    """Turn a reader's error about an input file into a refusal of that file.

    DuckDB's own message appears only in the traceback, because it quotes the input.
    """
    # A server does not read files.
    from pyarrow import ArrowInvalid

    try:
        yield
    except (duckdb.InvalidInputException, duckdb.ConversionException, ArrowInvalid) as error:
        raise InputRefused(problem, where=str(path), hint="Fetch it again, or remove it from the input") from error


@contextmanager
def _translated(name: str, statement: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise _resource_error(error, name) from error
    except duckdb.Error as error:
        if "No space left" in str(error):
            raise _resource_error(error, name) from error
        raise StatementFailed(name, type(error).__name__, statement) from error


def _resource_error(error: duckdb.Error, name: str) -> CdpError:
    text = str(error).splitlines()[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return ConfigurationError(
            "the memory limit is too small for this input", where=name, hint="Raise CDP_MEMORY_LIMIT"
        )
    return Unavailable(text, where=name, hint="Free space in CDP_HOME, or wait until the file is released")
