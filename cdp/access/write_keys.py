"""Write keys: the credentials of tracking clients. A key belongs to the source that its events are landed under.

A key is shown once; its hash finds its owner. Every visitor of a page can read its key, so what comes by one is a
claim: it may withdraw consent, but grants nothing and overrides nothing. A key that only servers hold may be given the
right to grant, with a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from datetime import datetime

import sqlalchemy as sa

from cdp.access.credentials import hash_of, new_secret
from cdp.access.tables import write_keys
from cdp.errors import NotFound, UsageError
from cdp.store.engine import Store
from cdp.store.prepared import Prepared

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class WriteKey:
    """A key in force, without the key itself."""

    name: str
    source: str
    created_at: datetime
    may_grant: str | None = None


@dataclass(frozen=True)
class KeyOwner:
    """The owner of a presented key, the source that its events are landed under, and why it may grant, if it may."""

    name: str
    source: str
    may_grant: str | None = None


def add_write_key(
    connection: sa.Connection, name: str, source: str, now: datetime, *, may_grant: str | None = None
) -> str:
    """Make a key for events of `source`; return it.

    Args:
        may_grant: why its events may grant consent and change what others have told; None: they are claims.

    Raises:
        UsageError: the name is taken, or the source's name is not one lower-case word.
    """
    if not _SOURCE_NAME.fullmatch(source):
        raise UsageError(f"a source's name is one lower-case word, not {source!r}", hint="Such as --source web")
    if find_write_key(connection, name) is not None:
        raise UsageError(f"there is already a write key named {name!r}", hint="Choose another name, or rotate it")
    return _insert(connection, WriteKey(name, source, now, may_grant))


def list_write_keys(connection: sa.Connection) -> list[WriteKey]:
    """The keys in force, oldest first."""
    rows = connection.execute(_IN_FORCE.order_by(write_keys.c.created_at, write_keys.c.name))
    return [WriteKey(*row) for row in rows]


def find_write_key(connection: sa.Connection, name: str) -> WriteKey | None:
    """The key in force with this name."""
    row = connection.execute(_IN_FORCE.where(write_keys.c.name == name)).first()
    return WriteKey(*row) if row is not None else None


def rotate_write_key(connection: sa.Connection, name: str, now: datetime) -> str:
    """Replace a key by a new one for the same source; the old key is void at once.

    Raises:
        NotFound: there is no such key.
    """
    key = _existing(connection, name)
    remove_write_key(connection, name, now)
    return _insert(connection, replace(key, created_at=now))


def remove_write_key(connection: sa.Connection, name: str, now: datetime) -> None:
    """Void a key. It stays on record.

    Raises:
        NotFound: there is no such key.
    """
    _existing(connection, name)
    named = (write_keys.c.name == name) & write_keys.c.disabled_at.is_(None)
    connection.execute(write_keys.update().where(named).values(disabled_at=now))


def owner_of(store: Store, key: str) -> KeyOwner | None:
    """The owner of a key; None unless the key is in force."""
    row = store.first(_OWNER, key_hash=hash_of(key))
    return KeyOwner(*row) if row is not None else None


_IN_FORCE = sa.select(*(write_keys.c[column.name] for column in fields(WriteKey))).where(
    write_keys.c.disabled_at.is_(None)
)
_OWNER = Prepared(
    sa.select(*(write_keys.c[column.name] for column in fields(KeyOwner))).where(
        write_keys.c.key_hash == sa.bindparam("key_hash"), write_keys.c.disabled_at.is_(None)
    )
)


def _existing(connection: sa.Connection, name: str) -> WriteKey:
    found = find_write_key(connection, name)
    if found is None:
        raise NotFound(f"there is no write key {name!r}", hint="`cdp clients list` shows them")
    return found


def _insert(connection: sa.Connection, made: WriteKey) -> str:
    key = new_secret("wk_")
    connection.execute(write_keys.insert().values(key_hash=hash_of(key), **vars(made)))
    return key
