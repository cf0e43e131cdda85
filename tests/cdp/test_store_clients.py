from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from cdp.access.clients import (
    KnownClient,
    OutdatedSecret,
    add_client,
    authenticate,
    is_active,
    list_clients,
    remove_client,
    rotate_client,
)
from cdp.access.tables import clients
from cdp.errors import NotFound, UsageError
from cdp.store import Store

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


# What earlier versions kept of the secret "cdp_secret_old".
OUTDATED = "$argon2id$v=19$m=19456,t=2,p=1$ptyh0K+/9DSrSgE9g7Deqg$lX0HlyhUH0uY4OZgiX9/qT4DrnzHjwzIgKw6/VQmGzs"


def test_a_client_is_known_by_its_secret_alone(store: Store) -> None:
    with store.write() as connection:
        new = add_client(connection, "sender", ["decisions:read", "profiles:read"], NOW)
        other = add_client(connection, "other", ["profiles:read"], NOW)
    known = KnownClient(new.client_id, ("profiles:read", "decisions:read"))
    assert authenticate(store, new.client_id, new.client_secret) == known
    for secret in (other.client_secret, "", new.client_secret[:-1], "\ud800", OUTDATED):
        assert authenticate(store, new.client_id, secret) is None
    assert authenticate(store, "client_nobody", new.client_secret) is None


def test_neither_a_secret_nor_its_hash_opens_what_the_store_shows(store: Store) -> None:
    with store.write() as connection:
        new = add_client(connection, "sender", ["profiles:read"], NOW)
        stored = connection.execute(sa.select(clients)).one()
    assert new.client_secret not in str(stored)
    assert authenticate(store, new.client_id, stored.secret_hash) is None


def test_an_unknown_client_costs_a_comparison_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare(first: str, second: str) -> bool:
        compared.append((first, second))
        return first == second

    monkeypatch.setattr(hmac, "compare_digest", compare)
    with store.write() as connection:
        new = add_client(connection, "sender", ["profiles:read"], NOW)
    assert authenticate(store, new.client_id, "wrong") is None
    assert authenticate(store, "client_nobody", "wrong") is None
    assert [len(text) for pair in compared for text in pair] == [64] * 4


def test_a_secret_of_an_earlier_version_is_refused_until_it_is_rotated(store: Store) -> None:
    with store.write() as connection:
        old = add_client(connection, "my sender", ["profiles:read"], NOW)
        connection.execute(clients.update().values(secret_hash=OUTDATED))
        assert [client.needs_rotation for client in list_clients(connection)] == [True]
    for secret in ("cdp_secret_old", "wrong", OUTDATED):
        with pytest.raises(OutdatedSecret, match=r"'my sender' has .* of an earlier version.*rotate 'my sender'`"):
            authenticate(store, old.client_id, secret)
    with store.write() as connection:
        new = rotate_client(connection, "my sender", NOW)
        assert [client.needs_rotation for client in list_clients(connection)] == [False]
    assert authenticate(store, new.client_id, new.client_secret) is not None


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
        assert [client.rotated_at for client in list_clients(connection)] == [NOW + timedelta(days=1)]
    assert new.client_id == old.client_id
    assert authenticate(store, old.client_id, old.client_secret) is None
    assert authenticate(store, new.client_id, new.client_secret) is not None


def test_a_removed_client_is_gone_and_its_name_is_free(store: Store) -> None:
    with store.write() as connection:
        old = add_client(connection, "sender", ["profiles:read"], NOW)
    assert is_active(store, old.client_id)
    with store.write() as connection:
        remove_client(connection, old.client_id, NOW)
    assert not is_active(store, old.client_id)
    assert authenticate(store, old.client_id, old.client_secret) is None
    with store.write() as connection:
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
