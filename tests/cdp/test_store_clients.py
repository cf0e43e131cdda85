from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from cdp.access.clients import add_client, authenticate, is_active, list_clients, remove_client, rotate_client
from cdp.access.tables import clients
from cdp.errors import NotFound, UsageError
from cdp.store import Store

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_client_is_known_by_its_secret_alone(store: Store) -> None:
    with store.write() as connection:
        new = add_client(connection, "sender", ["decisions:read", "profiles:read"], NOW)
        other = add_client(connection, "other", ["profiles:read"], NOW)
        client = authenticate(connection, new.client_id, new.client_secret)
        assert client is not None
        assert (client.name, client.scopes) == ("sender", ("profiles:read", "decisions:read"))
        assert authenticate(connection, new.client_id, other.client_secret) is None
        assert authenticate(connection, new.client_id, "") is None
        assert authenticate(connection, "client_nobody", new.client_secret) is None


def test_no_secret_is_stored(store: Store) -> None:
    with store.write() as connection:
        new = add_client(connection, "sender", ["profiles:read"], NOW)
        stored = connection.execute(sa.select(clients)).one()
    assert new.client_secret not in str(stored)
    assert stored.secret_hash.startswith("$argon2id$")


def test_an_unknown_client_costs_a_hash_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    from cdp.access import clients

    class Counting(type(clients._HASHER)):  # type: ignore[misc]
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            verified.append(str(hash))
            return bool(super().verify(hash, password))

    monkeypatch.setattr(clients, "_HASHER", Counting(time_cost=1, memory_cost=8, parallelism=1))
    clients._nobodys_hash.cache_clear()
    with store.read() as connection:
        assert authenticate(connection, "client_nobody", "secret") is None
    clients._nobodys_hash.cache_clear()
    assert len(verified) == 1


def test_clients_are_listed_oldest_first(store: Store) -> None:
    with store.write() as connection:
        add_client(connection, "second", ["profiles:read"], NOW + timedelta(days=1))
        add_client(connection, "first", ["profiles:read"], NOW)
        assert [(c.name, c.created_at, c.rotated_at) for c in list_clients(connection)] == [
            ("first", NOW, None),
            ("second", NOW + timedelta(days=1), None),
        ]


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_rotated_client_has_only_its_new_secret(store: Store, by: str) -> None:
    with store.write() as connection:
        old = add_client(connection, "sender", ["profiles:read"], NOW)
        new = rotate_client(connection, "sender" if by == "name" else old.client_id, NOW + timedelta(days=1))
        assert new.client_id == old.client_id
        assert authenticate(connection, old.client_id, old.client_secret) is None
        client = authenticate(connection, new.client_id, new.client_secret)
    assert client is not None
    assert client.rotated_at == NOW + timedelta(days=1)


def test_a_removed_client_is_gone_and_its_name_is_free(store: Store) -> None:
    with store.write() as connection:
        old = add_client(connection, "sender", ["profiles:read"], NOW)
    assert is_active(store, old.client_id)
    with store.write() as connection:
        remove_client(connection, old.client_id, NOW)
    assert not is_active(store, old.client_id)
    with store.write() as connection:
        assert authenticate(connection, old.client_id, old.client_secret) is None
        assert list_clients(connection) == []
        add_client(connection, "sender", ["profiles:read"], NOW)
        remove_client(connection, "sender", NOW)
        with pytest.raises(NotFound, match="there is no client 'sender'"):
            remove_client(connection, "sender", NOW)


def test_a_name_is_given_once(store: Store) -> None:
    with store.write() as connection:
        add_client(connection, "sender", ["profiles:read"], NOW)
        with pytest.raises(UsageError, match="already a client named 'sender'"):
            add_client(connection, "sender", ["profiles:read"], NOW)


@pytest.mark.parametrize("scopes", [[], ["profiles:write"], ["profiles:read", "everything"]])
def test_scopes_must_exist(store: Store, scopes: list[str]) -> None:
    with store.write() as connection, pytest.raises(UsageError, match="Scopes are profiles:read, "):
        add_client(connection, "sender", scopes, NOW)
