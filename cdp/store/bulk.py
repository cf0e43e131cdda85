"""Bulk reads and writes between tables and Polars frames. They use SQL text, for speed.

Frames have the columns of the table, by name. Times are passed as text: both databases parse it, and SQLite stores it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cdp.store.columns import UtcTime

_ROWS_AT_ONCE = 50_000
_TIME = pl.Datetime("us", "UTC")
_SQLITE_TIME = "%Y-%m-%d %H:%M:%S%.6f"


def read_frame(connection: sa.Connection, table: sa.Table, *columns: str) -> pl.DataFrame:
    """The named columns of all rows, ordered by the table's key."""
    return frame_of(connection, sa.select(*(table.c[name] for name in columns)).order_by(*table.primary_key))


def frame_of(connection: sa.Connection, chosen: sa.Select[Any]) -> pl.DataFrame:
    """The rows of a SELECT of columns of tables."""
    result = connection.execute(chosen)
    # SQLAlchemy would convert values one by one; the frame converts whole columns.
    rows = result.cursor.fetchall() if result.cursor else []
    columns = [column for column in chosen.selected_columns if isinstance(column, sa.Column)]
    times = [column.name for column in columns if isinstance(column.type, UtcTime)]
    is_text = connection.dialect.name == "sqlite"
    schema = {column.name: polars_type(column, times_are_text=is_text) for column in columns}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.col(times).str.to_datetime(_SQLITE_TIME, time_zone="UTC")) if is_text else frame


def polars_type(column: sa.Column[Any], *, times_are_text: bool = False) -> pl.DataType | type[pl.DataType]:
    if isinstance(column.type, UtcTime):
        return pl.String if times_are_text else _TIME
    return pl.Int64 if isinstance(column.type, sa.Integer) else pl.String


def upsert(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> None:
    """Insert `rows`; a row whose key exists replaces the existing row."""
    key = _key(table)
    others = [name for name in rows.columns if name not in key]
    update = f"update set {', '.join(f'{name} = excluded.{name}' for name in others)}" if others else "nothing"
    _load(connection, table, rows.sort(key), f"on conflict ({', '.join(key)}) do {update}")


def insert(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> None:
    """Append `rows` in their order; the database numbers them."""
    _load(connection, table, rows, "")


def insert_once_a_run(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> None:
    """Append `rows`, except those of runs (`run_id`) already in the table: a run's history is written as a whole."""
    if rows.is_empty():
        return
    runs = rows["run_id"].unique().to_list()
    written = connection.scalars(sa.select(table.c.run_id).where(table.c.run_id.in_(runs)).distinct())
    insert(connection, table, rows.filter(~pl.col("run_id").is_in(list(written))))


def insert_new(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *returning: sa.Column[Any]
) -> Sequence[sa.Row[Any]]:
    """Insert a few rows, except those whose key exists; return the `returning` columns of the new rows."""
    if not rows:
        return []
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing()
    if not returning:
        connection.execute(statement, rows)
        return []
    return connection.execute(statement.returning(*returning), rows).all()


def delete(connection: sa.Connection, table: sa.Table, keys: pl.DataFrame) -> None:
    """Delete the rows that match one of `keys` in its columns; missing keys are ignored."""
    if keys.is_empty():
        return
    if connection.dialect.name == "sqlite":
        condition = " and ".join(f"{name} = ?" for name in keys.columns)
        _execute_many(connection, f"delete from {table.name} where {condition}", keys.sort(keys.columns))
        return
    staged = _stage(connection, table, keys)
    condition = " and ".join(f"{table.name}.{name} = {staged}.{name}" for name in keys.columns)
    connection.exec_driver_sql(f"delete from {table.name} using {staged} where {condition}")
    connection.exec_driver_sql(f"drop table {staged}")


def delete_first(connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool], most: int) -> int:
    """Delete at most `most` rows of a numbered table (`seq`) that meet a condition; return the number deleted."""
    chosen = sa.select(table.c.seq).where(condition).limit(most)
    return connection.execute(table.delete().where(table.c.seq.in_(chosen))).rowcount


def _load(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame, on_conflict: str) -> None:
    if rows.is_empty():
        return
    names = ", ".join(rows.columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in rows.columns)
        statement = f"insert into {table.name} ({names}) values ({marks}) {on_conflict}"
        with _indexes_built_last(connection, table, rows.height):
            _execute_many(connection, statement, rows)
        return
    staged = _stage(connection, table, rows)
    connection.exec_driver_sql(f"insert into {table.name} ({names}) select {names} from {staged} {on_conflict}")
    connection.exec_driver_sql(f"drop table {staged}")


@contextmanager
def _indexes_built_last(connection: sa.Connection, table: sa.Table, row_count: int) -> Iterator[None]:
    """Build the table's indexes after a large load into SQLite, which takes a third of the time."""
    is_large = row_count >= _ROWS_AT_ONCE and row_count > _count(connection, table)
    indexes = table.indexes if is_large else set()
    for index in indexes:
        index.drop(connection)
    yield
    for index in indexes:
        index.create(connection)


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _execute_many(connection: sa.Connection, statement: str, rows: pl.DataFrame) -> None:
    as_text = rows.with_columns(pl.col(_TIME).dt.to_string(_SQLITE_TIME))
    for part in as_text.iter_slices(_ROWS_AT_ONCE):
        connection.exec_driver_sql(statement, part.rows())


def _stage(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> str:
    """Copy `rows` into a temporary table with the columns of `table` (PostgreSQL) and return its name."""
    name, columns = f"incoming_{table.name}", ", ".join(rows.columns)
    connection.exec_driver_sql(
        f"create temporary table {name} on commit drop as select {columns} from {table.name} with no data"
    )
    as_text = rows.with_columns(pl.col(_TIME).dt.to_string(f"{_SQLITE_TIME}+00"))
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_copy_statement(name, columns)) as copy:
        for part in as_text.iter_slices(_ROWS_AT_ONCE):
            # Quoted, to distinguish empty text from NULL.
            copy.write(part.write_csv(include_header=False, quote_style="non_numeric"))
    return name


def _copy_statement(name: str, columns: str) -> str:
    return f"copy {name} ({columns}) from stdin (format csv)"


def _key(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key]
