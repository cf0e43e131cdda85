"""Statements of the hot path: compiled once, as constants of their modules, and passed to the driver as text.

SQLAlchemy adds 30 to 80 µs to a statement that takes SQLite 3 µs, and more for each row that is written. Here values
and rows are passed through as the driver has them; only times and booleans are converted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import NoneType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from cdp.store.columns import UtcTime, in_utc

Row = tuple[Any, ...]
Value = str | int | float | None | datetime | Collection[str] | Collection[int]

_AS_THEY_ARE = frozenset((str, int, float, bool, NoneType))

# Both have named parameters, so that values are bound in the same way.
_DIALECTS: Mapping[str, sa.Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": postgresql.dialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}


class _JsonTexts(FunctionElement[Any]):
    """The strings of a JSON array, as a table with the column `value`."""

    name = "json_texts"
    inherit_cache = True


@compiles(_JsonTexts, "sqlite")
def _for_sqlite(element: _JsonTexts, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_JsonTexts, "postgresql")
def _for_postgresql(element: _JsonTexts, compiler: Any, **options: Any) -> str:
    return f"json_array_elements_text(cast({compiler.process(element.clauses, **options)} as json))"


def given(parameter: str) -> sa.ColumnElement[str]:
    """The strings bound to `parameter`, as the column of a table."""
    return _JsonTexts(sa.bindparam(parameter, type_=sa.Text)).table_valued("value").c.value


def among(column: sa.ColumnElement[Any], parameter: str) -> sa.ColumnElement[bool]:
    """Whether the column equals one of the strings, or integers if it is an integer column, bound to `parameter`.

    The text of the statement does not depend on the number of values.
    """
    value: sa.ColumnElement[Any] = given(parameter)
    is_number = isinstance(column.type, sa.Integer)
    return column.in_(sa.select(sa.cast(value, sa.BigInteger) if is_number else value))


class Prepared:
    """A SELECT, or a write statement with an optional RETURNING. Parameters are bound by name; `among` and `given` take
    a collection."""

    def __init__(self, statement: sa.Select[Any] | sa.CompoundSelect[Any] | sa.Insert | sa.Update | sa.Delete) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, Mapping[str, Any]]] = {}
        types = [column.type for column in statement.exported_columns]
        self._times = [place for place, kind in enumerate(types) if isinstance(kind, UtcTime)]
        self._booleans = [place for place, kind in enumerate(types) if isinstance(kind, sa.Boolean)]

    @classmethod
    def insert_new(cls, table: sa.Table) -> Prepared:
        """An INSERT of whole rows that leaves existing rows as they are."""
        new = cls(table.insert())
        for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql)):
            new._compile(name, dialect.insert(table).on_conflict_do_nothing())
        return new

    def rows(self, connection: sa.Connection, **values: Value) -> Sequence[Row]:
        """The rows that the statement selects or returns; times are UTC."""
        dialect = connection.dialect.name
        text, bound = self.for_driver(dialect, values)
        if dialect == "sqlite":
            found: Sequence[Any] = _sqlite_driver(connection).execute(text, bound).fetchall()
        else:
            found = [tuple(row) for row in connection.exec_driver_sql(text, bound)]
        return [self._converted(row, dialect) for row in found] if self._times or self._booleans else found

    def write(self, connection: sa.Connection, rows: Sequence[Mapping[str, Value]], **shared: Value) -> None:
        """Execute the statement for each row; the `shared` values are the same for all of them."""
        if rows:
            dialect = connection.dialect.name
            text, common = self.for_driver(dialect, shared)
            bound = [{**common, **_bound(row, dialect)} for row in rows]
            if dialect == "sqlite":
                _sqlite_driver(connection).executemany(text, bound)
            else:
                connection.exec_driver_sql(text, bound)

    def for_driver(self, dialect: str, values: Mapping[str, Value]) -> tuple[str, dict[str, Any]]:
        """The statement and its values in the form that the driver of a dialect takes."""
        text, constants = self._for(dialect)
        return text, {**constants, **_bound(values, dialect)}

    def _for(self, dialect: str) -> tuple[str, Mapping[str, Any]]:
        """The text of the statement, and its constant values."""
        if dialect not in self._compiled:
            self._compile(dialect, self._statement)
        return self._compiled[dialect]

    def _compile(self, dialect: str, statement: sa.Executable) -> None:
        compiled: Any = statement.compile(dialect=_DIALECTS[dialect])  # type: ignore[attr-defined]
        self._compiled[dialect] = str(compiled), {k: v for k, v in compiled.params.items() if v is not None}

    def _converted(self, row: Row, dialect: str) -> Row:
        values = list(row)
        to_time = _FROM_DRIVER[dialect]
        for place in self._times:
            values[place] = to_time(values[place]) if values[place] is not None else None
        for place in self._booleans:
            values[place] = bool(values[place])
        return tuple(values)


def _sqlite_driver(connection: sa.Connection) -> sqlite3.Connection:
    """The driver's connection, in the transaction of `connection`. `Store` translates its errors."""
    if not connection.in_transaction():
        connection.begin()
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def _bound(values: Mapping[str, Value], dialect: str) -> dict[str, Any]:
    return {
        name: value if type(value) in _AS_THEY_ARE else _bound_value(value, dialect) for name, value in values.items()
    }


def _bound_value(value: Value, dialect: str) -> Any:
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, datetime):
        return _to_text(value) if dialect == "sqlite" else in_utc(value)
    return json.dumps(list(value))


def _to_text(time: datetime) -> str:
    """The text that SQLite stores for a `UtcTime`."""
    return in_utc(time).isoformat(" ", "microseconds").removesuffix("+00:00")


def _from_text(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _to_utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


_FROM_DRIVER: Mapping[str, Callable[[Any], datetime]] = {"sqlite": _from_text, "postgresql": _to_utc}
