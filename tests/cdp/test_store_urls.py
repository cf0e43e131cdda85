"""The stores for tests contain nothing of earlier tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cdp.consent import Statement, contact_point_id
from cdp.consent.ledger import record
from cdp.live import inbox
from cdp.store import open_store
from tests.cdp.store_urls import BACKENDS, MigratedStores, empty_store_url

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
EMAIL = contact_point_id("email", "ann@example.com")


def contents(url: str) -> Mapping[str, list[tuple[Any, ...]]]:
    engine = sa.create_engine(url)
    metadata = sa.MetaData()
    with engine.connect() as connection:
        metadata.reflect(connection)
        rows = {one.name: [tuple(row) for row in connection.execute(sa.select(one))] for one in metadata.sorted_tables}
    engine.dispose()
    return rows


def fill(url: str) -> int:
    """Write into tables of which one starts with a row, one counts its rows and one is the test's own; the number that
    a row was given.
    """
    store = open_store(url)
    with store.write() as connection:
        connection.execute(sa.text("create table own_table (name text)"))
        record(connection, [Statement(EMAIL, "email", "email", "marketing", "granted", NOW, "test", "person")], NOW)
        numbers = inbox.put(connection, "web", "segment", [inbox.Arrival("m1", "{}")], NOW)
    store.close()
    return numbers["m1"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_used_store_is_reset_for_the_next_test(migrated_stores: MigratedStores, backend: str, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with empty_store_url(backend, tmp_path / "new") as new:
        open_store(new).close()
        for _ in range(2):
            with migrated_stores.url(backend, tmp_path) as url:
                assert contents(url) == contents(new)
                assert fill(url) == 1
                assert contents(url) != contents(new)
