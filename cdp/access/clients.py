"""API clients. A secret is shown once and kept as an argon2id hash."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from cdp.access.tables import clients
from cdp.errors import NotFound, UsageError
from cdp.store.engine import Store
from cdp.store.prepared import Prepared

SCOPES = {
    "profiles:read": "read profiles",
    "segments:read": "read segments and their members",
    "decisions:read": "ask whether, where and when to write to somebody",
    "events:write": "send events and descriptions of people",
    "consents:read": "read consents",
    "consents:write": "record consents",
}

# OWASP's least for argon2id. A secret is 256 random bits, so nobody guesses it; more memory would only help
# those who flood the token endpoint.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@dataclass(frozen=True)
class Client:
    """A client that may call what its scopes name."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    rotated_at: datetime | None


@dataclass(frozen=True)
class NewClient:
    """A client's credentials; the secret cannot be shown again."""

    client_id: str
    client_secret: str


def add_client(connection: sa.Connection, name: str, scopes: Iterable[str], now: datetime) -> NewClient:
    """Make a client.

    Raises:
        UsageError: the name is taken, or a scope is unknown.
    """
    granted = _known_scopes(scopes)
    if connection.scalar(sa.select(_is_current(name).exists())):
        raise UsageError(f"there is already a client named {name!r}", hint="Choose another name, or rotate it")
    new = NewClient(f"client_{secrets.token_hex(12)}", _new_secret())
    connection.execute(
        clients.insert().values(
            client_id=new.client_id,
            name=name,
            secret_hash=_HASHER.hash(new.client_secret),
            scopes=" ".join(granted),
            created_at=now,
        )
    )
    return new


def list_clients(connection: sa.Connection) -> list[Client]:
    """The clients that are not removed, oldest first."""
    current = sa.select(clients).where(clients.c.disabled_at.is_(None))
    rows = connection.execute(current.order_by(clients.c.created_at, clients.c.client_id))
    return [_client(row) for row in rows]


def rotate_client(connection: sa.Connection, client: str, now: datetime) -> NewClient:
    """Give a client (by its name or its id) a new secret; the old one is void at once.

    Raises:
        NotFound: there is no such client.
    """
    client_id = _find(connection, client)
    new = NewClient(client_id, _new_secret())
    _update(connection, client_id, secret_hash=_HASHER.hash(new.client_secret), rotated_at=now)
    return new


def remove_client(connection: sa.Connection, client: str, now: datetime) -> None:
    """Void a client (by its name or its id) and its tokens. It stays on record.

    Raises:
        NotFound: there is no such client.
    """
    _update(connection, _find(connection, client), disabled_at=now)


def authenticate(connection: sa.Connection, client_id: str, secret: str) -> Client | None:
    """The client, if the secret is its own and it is not removed. Takes as long for an unknown id."""
    current = sa.select(clients).where(clients.c.client_id == client_id, clients.c.disabled_at.is_(None))
    row = connection.execute(current).first()
    try:
        _HASHER.verify(row.secret_hash if row is not None else _nobodys_hash(), secret)
    except VerifyMismatchError:
        return None
    return _client(row) if row is not None else None


@dataclass(frozen=True)
class Credentials:
    """What a client's secret is checked against."""

    client_id: str
    secret_hash: str
    scopes: tuple[str, ...]

    def match(self, secret: str) -> bool:
        """Whether it is the secret; takes some 20 ms and 19 MB."""
        try:
            return _HASHER.verify(self.secret_hash, secret)
        except VerifyMismatchError:
            return False


_CURRENT = sa.and_(clients.c.client_id == sa.bindparam("client_id"), clients.c.disabled_at.is_(None))
_CREDENTIALS = Prepared(sa.select(clients.c.client_id, clients.c.secret_hash, clients.c.scopes).where(_CURRENT))
_ACTIVE = Prepared(sa.select(clients.c.client_id).where(_CURRENT))


def credentials_of(store: Store, client_id: str) -> Credentials | None:
    """The credentials of a client that is not removed."""
    row = store.first(_CREDENTIALS, client_id=client_id)
    return Credentials(row[0], row[1], tuple(row[2].split())) if row else None


def is_active(store: Store, client_id: str) -> bool:
    """Whether there is such a client, not removed."""
    return store.first(_ACTIVE, client_id=client_id) is not None


def _known_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        problem = f"there is no scope {unknown[0]!r}" if unknown else "a client needs a scope"
        raise UsageError(problem, hint=f"Scopes are {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in wanted]


def _is_current(client: str) -> sa.Select[str]:
    named = sa.or_(clients.c.name == client, clients.c.client_id == client)
    return sa.select(clients.c.client_id).where(named, clients.c.disabled_at.is_(None))


def _find(connection: sa.Connection, client: str) -> str:
    client_id = connection.scalar(_is_current(client))
    if client_id is None:
        raise NotFound(f"there is no client {client!r}", hint="`cdp clients list` shows them")
    return client_id


def _update(connection: sa.Connection, client_id: str, **values: object) -> None:
    connection.execute(clients.update().where(clients.c.client_id == client_id).values(**values))


def _new_secret() -> str:
    return f"cdp_secret_{secrets.token_urlsafe(32)}"


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(_new_secret())


def _client(row: sa.Row[Any]) -> Client:
    return Client(
        client_id=row.client_id,
        name=row.name,
        scopes=tuple(row.scopes.split()),
        created_at=row.created_at,
        rotated_at=row.rotated_at,
    )
