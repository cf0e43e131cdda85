"""Open the store, and read or write within a transaction."""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from cdp.errors import Busy, ConfigurationError, StatementFailed, Unavailable
from cdp.store import migrate
from cdp.store.prepared import Prepared

Connection = sa.Connection

_BUSY_SECONDS = 30
_CONNECT_SECONDS = 5
_PRAGMAS = (
    "journal_mode = wal",
    # An acknowledged opt-out must survive a power cut.
    "synchronous = full",
    "foreign_keys = on",
    "cache_size = -65536",
    "journal_size_limit = 67108864",
    # In pages of 4 KB. The same pages are written repeatedly; a large log copies them to the file once.
    "wal_autocheckpoint = 4000",
)


@dataclass(frozen=True)
class Store:
    """The profile store with its pool of connections."""

    engine: sa.Engine
    _point_readers: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @cached_property
    def _writer(self) -> sa.Engine:
        # On SQLite the write lock is taken at the start, because upgrading a read transaction can fail.
        return self.engine.execution_options(begin_statement="begin immediate")

    @cached_property
    def _nowait_writer(self) -> sa.Engine:
        return self._writer.execution_options(waits=False)

    @property
    def is_embedded(self) -> bool:
        """Whether point reads stay in this process (SQLite) and take only microseconds."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose reads see one state of the store.

        Raises:
            Unavailable: the store is locked or out of reach.
        """
        with _translated(self.engine.url), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, waits: bool = True) -> Iterator[Connection]:
        """A connection in a write transaction: committed at the end of the block, rolled back if it raises.

        Args:
            waits: wait for the end of another transaction. Only matters for SQLite, which has one writer at a time.

        Raises:
            Busy: another transaction is writing, and `waits` is false.
            Unavailable: the store is locked or out of reach.
        """
        writer = self._writer if waits else self._nowait_writer
        with _translated(self.engine.url), writer.begin() as connection:
            yield connection

    def first(self, statement: Prepared, **parameters: str) -> Sequence[Any] | None:
        """The first row of a SELECT by key, as the driver returns it: the fastest path, for reads of every request.

        It runs outside of any transaction. SQLAlchemy adds 50 µs to a statement that takes SQLite 3 µs.

        Raises:
            Unavailable: the store is locked or out of reach.
        """
        with _translated(self.engine.url):
            if self.is_embedded:
                text, values = statement.for_driver("sqlite", parameters)
                row: Sequence[Any] | None = self._point_reader().execute(text, values).fetchone()
                return row
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                return next(iter(statement.rows(connection, **parameters)), None)

    def _point_reader(self) -> sqlite3.Connection:
        """This thread's own connection, closed with the thread."""
        if not hasattr(self._point_readers, "connection"):
            connection = sqlite3.connect(str(self.engine.url.database), timeout=_BUSY_SECONDS)
            _prepare_sqlite(connection, None)
            connection.execute("pragma query_only = on")
            self._point_readers.connection = connection
        reader: sqlite3.Connection = self._point_readers.connection
        return reader

    def close(self) -> None:
        self.engine.dispose()


def open_store(url: str) -> Store:
    """Open the store at a SQLAlchemy URL and migrate its schema; a missing SQLite file is created.

    Raises:
        ConfigurationError: the URL is neither a SQLite nor a PostgreSQL URL.
        Unavailable: the store is out of reach or locked, or its schema is newer than this code.
    """
    parsed = _parse(url)
    with _translated(parsed):
        store = Store(_sqlite_engine(parsed) if _is_sqlite(parsed) else _postgresql_engine(parsed))
        with store.read() as connection:
            current = migrate.is_current(connection)
        if not current:
            with store.write() as connection:
                migrate.upgrade(connection)
    return store


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    # ValueError: the port is no number.
    except (exc.ArgumentError, ValueError):
        raise _invalid_url() from None
    is_file = _is_sqlite(parsed) and parsed.database not in (None, "", ":memory:")
    if not is_file and parsed.drivername != "postgresql+psycopg":
        raise _invalid_url()
    return parsed


def _invalid_url() -> ConfigurationError:
    return ConfigurationError(
        "unsupported URL of the profile store",
        where="CDP_STORE_URL",
        hint="Use sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
    )


def _is_sqlite(url: sa.URL) -> bool:
    return url.drivername in ("sqlite", "sqlite+pysqlite")


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS},
    )


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    _create_file(Path(str(url.database)))
    # Last in, first out: a connection drops its cached pages after another one has written, so the last writer is best.
    engine = sa.create_engine(url, hide_parameters=True, pool_use_lifo=True, connect_args={"timeout": _BUSY_SECONDS})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_file(path: Path) -> None:
    """Create an empty database, readable only by its owner, unless it exists.

    It is linked to its name when complete, because SQLite's switch to WAL does not wait for other processes.
    """
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("pragma journal_mode = wal")
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Transactions are begun explicitly, not by the driver.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"pragma {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    driver: Any = connection.connection.driver_connection
    options = connection.get_execution_options()
    statement = options.get("begin_statement", "begin")
    if options.get("waits", True):
        driver.execute(statement)
        return
    driver.execute("pragma busy_timeout = 0")
    try:
        driver.execute(statement)
    finally:
        driver.execute(f"pragma busy_timeout = {_BUSY_SECONDS * 1000}")


@contextmanager
def _translated(url: sa.URL) -> Iterator[None]:
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, sqlite3.OperationalError, OSError) as error:
        raise _unavailable(error, url) from error
    except (exc.DatabaseError, sqlite3.DatabaseError) as error:
        if _is_not_a_store(error):
            raise _unavailable(error, url) from error
        raise StatementFailed("profile store", _reason(error)) from error


def _is_not_a_store(error: Exception) -> bool:
    return _sqlite_name(error) == "SQLITE_NOTADB"


def _sqlite_name(error: Exception) -> str | None:
    """SQLite's name of an error; errors of the driver itself have none."""
    return getattr(_cause(error), "sqlite_errorname", None)


def _unavailable(error: Exception, url: sa.URL) -> Unavailable:
    kind = Busy if _sqlite_name(error) == "SQLITE_BUSY" else Unavailable
    return kind(
        f"the profile store is not available ({_reason(error)})",
        where=_place(url),
        hint="Check CDP_STORE_URL and that the store is up and not locked",
    )


def _reason(error: Exception) -> str:
    """The first line of the driver's message. Later lines, and messages on constraints, may quote values."""
    if isinstance(error, exc.IntegrityError | sqlite3.IntegrityError):
        return "a constraint of the store is violated"
    return next(iter(str(_cause(error)).splitlines()), type(error).__name__)


def _cause(error: Exception) -> object:
    return error.orig if isinstance(error, exc.DBAPIError) else error


def _place(url: sa.URL) -> str:
    """The store's address without user and password."""
    if _is_sqlite(url):
        return str(url.database)
    port = f":{url.port}" if url.port else ""
    return f"{url.drivername}://{url.host or ''}{port}/{url.database or ''}"
