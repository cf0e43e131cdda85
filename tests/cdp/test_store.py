"""Opening the store: it is created once, migrated once, and reports why it is unavailable."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cdp.errors import ConfigurationError, StatementFailed, Unavailable
from cdp.people.tables import members
from cdp.store import Store, engine, open_store, schema
from cdp.store.migrate import MIGRATIONS, is_current, revisions
from tests.cdp.store_urls import empty_store_url, on_sqlite


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a store without tables: these tests create them."""
    with empty_store_url(request.param, tmp_path) as url:
        yield url


def _open(url: str) -> bool:
    store = open_store(url)
    with store.read() as connection:
        current = is_current(connection)
    store.close()
    return current


def test_migrations_create_the_declared_tables(store: Store) -> None:
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata()) == []


def test_the_files_of_migrations_bear_their_numbers() -> None:
    scripts = list(ScriptDirectory(str(MIGRATIONS)).walk_revisions())
    assert revisions() == sorted(script.revision for script in scripts)
    assert {script.revision: script.down_revision for script in scripts} == dict(
        zip(revisions(), [None, *revisions()], strict=False)
    )


def test_opening_again_changes_nothing(store_url: str) -> None:
    assert _open(store_url)
    assert _open(store_url)


@pytest.mark.slow
def test_processes_that_open_a_new_store_at_once_all_get_it(store_url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_open, [store_url] * 6, chunksize=1) == [True] * 6


def test_a_sqlite_store_is_private_and_leaves_no_drafts(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'new' / 'store.sqlite'}")
    with store.write() as connection:
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
        settings = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    store.close()
    assert modes == dict.fromkeys(("store.sqlite", "store.sqlite-wal", "store.sqlite-shm"), 0o600)
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_failed_write_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        connection.execute(members.insert().values(observation_id="o", profile_id="p", run_id="r"))
        raise ZeroDivisionError
    with store.read() as connection:
        assert connection.execute(sa.select(members)).all() == []


@on_sqlite  # PostgreSQL reads each statement's state
def test_a_reader_sees_one_state_while_others_write(store: Store) -> None:
    with store.read() as reader:
        before = reader.execute(sa.select(members)).all()
        with store.write() as writer:
            writer.execute(members.insert().values(observation_id="o", profile_id="p", run_id="r"))
        assert reader.execute(sa.select(members)).all() == before


def test_a_store_from_a_newer_version_is_refused(store: Store, store_url: str) -> None:
    with store.write() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(Unavailable, match=r"newer than this version of cdp\. Upgrade cdp"):
        open_store(store_url)


def test_a_violated_constraint_is_reported_without_values(store: Store) -> None:
    with pytest.raises(StatementFailed) as caught, store.write() as connection:
        connection.execute(sa.text("insert into identifiers (type, value) values ('email', 'ann@example.com')"))
    assert "ann@example.com" not in caught.value.line()


def test_a_locked_file_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_BUSY_SECONDS", 0)
    store = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(Unavailable, match="database is locked"), store.write():
        pass
    other.close()
    store.close()


def test_a_file_that_is_not_a_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_text("surname,forename\n" * 100)
    with pytest.raises(Unavailable, match="file is not a database"):
        open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")


def test_an_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(Unavailable) as caught:
        open_store("postgresql+psycopg://me:s3cret@127.0.0.1:1/cdp?password=s3cret")
    line = caught.value.line()
    assert "postgresql+psycopg://127.0.0.1:1/cdp" in line
    assert "s3cret" not in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite://", "sqlite:///:memory:", "mysql://me:s3cret@host/db", "not a url: s3cret", ""),
        "postgresql+psycopg://me:s3cret@host:port/db",
    ],
)
def test_an_unsupported_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CDP_STORE_URL") as caught:
        open_store(url)
    assert "s3cret" not in caught.value.line()
