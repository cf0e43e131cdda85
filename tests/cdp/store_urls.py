"""Where store tests run: on SQLite always, on PostgreSQL when CDP_TEST_POSTGRES_URL names a database for tests.

The fixtures `store_url` and `store` (tests/conftest.py) give each test an empty store of its own, once a backend. What
the database cannot change (wrong bodies, scopes, pages read from the warehouse) is marked `on_sqlite`.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cdp.store import open_store

POSTGRES_URL = os.environ.get("CDP_TEST_POSTGRES_URL")
NO_POSTGRES = "these want PostgreSQL, and CDP_TEST_POSTGRES_URL is not set"
BACKENDS = ("sqlite", "postgresql")

on_sqlite = pytest.mark.backends("sqlite")


@contextmanager
def empty_store_url(backend: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store, without tables: a new file, or a schema that is dropped afterwards.

    For whom the tables do not matter, `MigratedStores` has cheaper ones.
    """
    if backend == "sqlite":
        yield _sqlite_url(folder)
        return
    if not POSTGRES_URL:
        pytest.skip(NO_POSTGRES)
    schema = f"cdp_test_{uuid.uuid4().hex}"
    engine = sa.create_engine(POSTGRES_URL)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema))
    # No test cuts the power, so none needs to wait for the disk.
    options = f"-csearch_path={schema} -csynchronous_commit=off"
    url = sa.make_url(POSTGRES_URL).update_query_dict({"options": options})
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))
        engine.dispose()


def _sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.sqlite'}"


@dataclass(frozen=True)
class MigratedStores:
    """Stores with tables and no rows. Migrations run once a process; a test gets a copy of the file, or a schema that
    is emptied after it.
    """

    folder: Path
    _schemas: list[_Schema] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    @contextmanager
    def url(self, backend: str, folder: Path) -> Iterator[str]:
        """The URL of an empty store for exclusive use."""
        if backend == "sqlite":
            shutil.copy(self._sqlite_file, folder / "store.sqlite")
            yield _sqlite_url(folder)
            return
        schema = self._schemas.pop() if self._schemas else self._new_schema()
        yield schema.url
        schema.empty()
        self._schemas.append(schema)

    @cached_property
    def _sqlite_file(self) -> Path:
        open_store(_sqlite_url(self.folder)).close()
        return self.folder / "store.sqlite"

    def _new_schema(self) -> _Schema:
        url = self._stack.enter_context(empty_store_url("postgresql", self.folder))
        open_store(url).close()
        return _Schema(url, self._stack)

    def close(self) -> None:
        self._stack.close()


class _Schema:
    """A schema of PostgreSQL, as its migrations left it."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self._engine = sa.create_engine(url)
        stack.callback(self._engine.dispose)
        with self._engine.connect() as connection:
            metadata = sa.MetaData()
            metadata.reflect(connection)
            self._tables = metadata.sorted_tables
            self._rows: dict[sa.Table, list[dict[str, Any]]] = {
                table: [dict(row) for row in connection.execute(sa.select(table)).mappings()] for table in self._tables
            }

    def empty(self) -> None:
        """Restore that state: deleting a few rows takes a hundredth of the time of creating the tables."""
        deletes = "; ".join(f'delete from "{table.name}"' for table in reversed(self._tables))
        own = {table.name for table in self._tables}
        with self._engine.begin() as connection:
            # A transaction that is still open fails here instead of blocking.
            connection.exec_driver_sql("set local lock_timeout = '10s'")
            for name in sa.inspect(connection).get_table_names():
                if name not in own:
                    connection.exec_driver_sql(f'drop table "{name}"')
            connection.exec_driver_sql(deletes)
            for table, rows in self._rows.items():
                if rows:
                    connection.execute(table.insert(), rows)
            connection.exec_driver_sql(
                "select setval(seqrelid::regclass, seqstart, false) from pg_sequence "
                "join pg_class on oid = seqrelid where relnamespace = current_schema()::regnamespace"
            )
