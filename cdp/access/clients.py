"""API clients, and the secrets that they authenticate with."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cdp.access.credentials import hash_of, is_outdated, matches, new_secret
from cdp.access.tables import clients
from cdp.errors import CdpError, NotFound, UsageError
from cdp.store.engine import Store
from cdp.store.prepared import Prepared

SCOPES = {
    "profiles:read": "read profiles",
    "segments:read": "read segments and their members",
    "decisions:read": "ask whether, where and when to write to somebody",
    "events:write": "send events and descriptions of people",
    "consents:read": "read consents",
    "consents:write": "record consents",
    "messages:send": "send and cancel messages",
    "messages:read": "see what became of messages",
    "debug:read": "see what became of the last payloads, without personal data",
}

_PREFIX = "cdp_secret_"
# No secret has this hash.
_NOBODYS_HASH = "0" * 64


class OutdatedSecret(CdpError):
    """An earlier version made the client's secret, and its hash cannot be checked any more."""

    def __init__(self, name: str) -> None:
        problem = f"client {name!r} has a secret of an earlier version, which is refused"
        super().__init__(problem, hint=f"Give it a new one: `cdp clients rotate {shlex.quote(name)}`")


@dataclass(frozen=True)
class Client:
    """A client that may call what its scopes name."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    rotated_at: datetime | None
    # Its secret was made by an earlier version and is refused.
    needs_rotation: bool


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
    new = NewClient(f"client_{secrets.token_hex(12)}", new_secret(_PREFIX))
    connection.execute(
        clients.insert().values(
            client_id=new.client_id,
            name=name,
            secret_hash=hash_of(new.client_secret),
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
    new = NewClient(client_id, new_secret(_PREFIX))
    _update(connection, client_id, secret_hash=hash_of(new.client_secret), rotated_at=now)
    return new


def remove_client(connection: sa.Connection, client: str, now: datetime) -> None:
    """Void a client (by its name or its id) and its tokens. It stays on record.

    Raises:
        NotFound: there is no such client.
    """
    _update(connection, _find(connection, client), disabled_at=now)


@dataclass(frozen=True)
class KnownClient:
    """A client that has shown its secret, and what it may do."""

    client_id: str
    scopes: tuple[str, ...]


_CURRENT = sa.and_(clients.c.client_id == sa.bindparam("client_id"), clients.c.disabled_at.is_(None))
_CREDENTIALS = Prepared(sa.select(clients.c.name, clients.c.secret_hash, clients.c.scopes).where(_CURRENT))
_ACTIVE = Prepared(sa.select(clients.c.client_id).where(_CURRENT))


def authenticate(store: Store, client_id: str, secret: str) -> KnownClient | None:
    """The client, if the secret is its own and it is not removed. An unknown id takes as long as a wrong secret.

    Raises:
        OutdatedSecret: the client needs a new secret.
    """
    row = store.first(_CREDENTIALS, client_id=client_id)
    name, kept, scopes = row or ("", _NOBODYS_HASH, "")
    if matches(secret, kept):
        return KnownClient(client_id, tuple(scopes.split()))
    if is_outdated(kept):
        raise OutdatedSecret(name)
    return None


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


def _client(row: sa.Row[Any]) -> Client:
    return Client(
        client_id=row.client_id,
        name=row.name,
        scopes=tuple(row.scopes.split()),
        created_at=row.created_at,
        rotated_at=row.rotated_at,
        needs_rotation=is_outdated(row.secret_hash),
    )
