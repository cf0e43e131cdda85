"""People stay who they are while something is decided about them, or a message is handed over to them.

Two people may hold offers that differ. If a run unites them, one of the two offers stands, and the message with the
other is held back. SQLite has one writer at a time; on PostgreSQL there are locks, which last until the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from cdp.store import Connection, Store

_PUBLISHING = 4_712_027
_SHARE_PUBLISHING = sa.select(sa.func.pg_advisory_xact_lock_shared(_PUBLISHING))
_TAKE_PUBLISHING = sa.select(sa.func.pg_advisory_xact_lock(_PUBLISHING))
# Also of the people into whom they were merged. In a fixed order, to avoid deadlocks.
_TAKE_PEOPLE = sa.text(
    "with recursive held (profile_id) as (select unnest(:ids) "
    "union select aliases.profile_id from aliases join held on aliases.old_profile_id = held.profile_id) "
    "select pg_advisory_xact_lock(key) "
    "from (select distinct hashtextextended(profile_id, 0) as key from held order by key) as keys"
).bindparams(sa.bindparam("ids", type_=sa.ARRAY(sa.Text)))


def hold_people(connection: Connection, ids: Iterable[str]) -> None:
    """Until this write transaction ends, no other decides about these people or hands messages over to them, and no
    run publishes people. Rows of theirs are locked after it, not before.

    Args:
        ids: of people, also of those who were merged away; looked at only where there are locks.
    """
    if connection.dialect.name == "postgresql" and (found := list(ids)):
        connection.execute(_SHARE_PUBLISHING)
        connection.execute(_TAKE_PEOPLE, {"ids": found})


@contextmanager
def publishing(store: Store) -> Iterator[Connection]:
    """A write transaction that publishes people. Its lock is taken last, so that others hardly wait for it."""
    with store.write() as connection:
        yield connection
        if connection.dialect.name == "postgresql":
            connection.execute(_TAKE_PUBLISHING)
