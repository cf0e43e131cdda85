from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from cdp.access.tables import write_keys
from cdp.access.write_keys import (
    KeyOwner,
    WriteKey,
    add_write_key,
    list_write_keys,
    owner_of,
    remove_write_key,
    rotate_write_key,
)
from cdp.errors import NotFound, UsageError
from cdp.store import Store

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_key_has_its_source_and_is_not_stored(store: Store) -> None:
    with store.write() as connection:
        key = add_write_key(connection, "site", "web", NOW)
        other = add_write_key(connection, "app", "web", NOW)
    assert owner_of(store, key) == KeyOwner("site", "web")
    assert owner_of(store, other) == KeyOwner("app", "web")
    with store.read() as connection:
        assert list_write_keys(connection) == [WriteKey("app", "web", NOW), WriteKey("site", "web", NOW)]
        assert key not in str(connection.execute(sa.select(write_keys)).all())


@pytest.mark.parametrize("key", ["", "wk_", "site", "\ud800", "\0", "k" * 100_000])
def test_invalid_keys(store: Store, key: str) -> None:
    with store.write() as connection:
        add_write_key(connection, "site", "web", NOW)
    assert owner_of(store, key) is None


def test_a_rotated_key_ends_at_once_and_a_removed_one_too(store: Store) -> None:
    with store.write() as connection:
        old = add_write_key(connection, "site", "web", NOW)
        new = rotate_write_key(connection, "site", NOW)
    assert (owner_of(store, old), owner_of(store, new)) == (None, KeyOwner("site", "web"))
    with store.write() as connection:
        remove_write_key(connection, "site", NOW)
        assert list_write_keys(connection) == []
    assert owner_of(store, new) is None
    with store.write() as connection:
        again = add_write_key(connection, "site", "shop", NOW)
    assert owner_of(store, again) == KeyOwner("site", "shop")


@pytest.mark.parametrize("source", ["", "Web", "we b", "web-shop", "1", "wéb", "../web", "_web"])
def test_sources_are_one_lower_case_word(store: Store, source: str) -> None:
    with store.write() as connection, pytest.raises(UsageError):
        add_write_key(connection, "site", source, NOW)


def test_names_are_unique_and_must_exist(store: Store) -> None:
    with store.write() as connection:
        add_write_key(connection, "site", "web", NOW)
    with store.write() as connection, pytest.raises(UsageError):
        add_write_key(connection, "site", "shop", NOW)
    for change in (rotate_write_key, remove_write_key):
        with store.write() as connection, pytest.raises(NotFound):
            change(connection, "nobody", NOW)
