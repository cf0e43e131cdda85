"""Migrate the store's schema, once, even if several processes start at the same time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa

from cdp.errors import Unavailable

MIGRATIONS = Path(__file__).parent / "migrations"

# An arbitrary number, the same in every process.
_LOCK_KEY = 4_273_611
# Alembic's own table.
_VERSIONS = sa.table("alembic_version", sa.column("version_num", sa.Text))


def is_current(connection: sa.Connection) -> bool:
    """Whether the schema is that of this version of the code.

    Raises:
        Unavailable: the schema is that of a newer version.
    """
    found, known = _found(connection), revisions()
    if found is not None and found not in known:
        raise Unavailable(
            f"the store has schema {found}, which is newer than this version of cdp",
            where="profile store",
            hint="Upgrade cdp",
        )
    return found == known[-1]


@cache
def revisions() -> list[str]:
    """The numbers of all migrations, the latest last: their files begin with them (`v0001_profiles.py`)."""
    return sorted(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v*.py"))


def _found(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSIONS.name):
        return None
    return connection.scalar(sa.select(_VERSIONS.c.version_num))


def upgrade(connection: sa.Connection) -> None:
    """Run the missing migrations within the connection's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
    # Another process may have migrated while this one waited for the lock.
    if is_current(connection):
        return
    # It takes a fifth of a server's start, and few starts migrate.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
