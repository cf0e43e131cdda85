"""Bring the store's schema up to date, once, however many processes ask for it at the same time."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cdp.errors import Unavailable

MIGRATIONS = Path(__file__).parent / "migrations"

# Any number will do, as long as every process takes the same one.
_LOCK_KEY = 4_273_611


def is_current(connection: sa.Connection) -> bool:
    """Whether the schema is the one that this code was written for.

    Raises:
        Unavailable: a newer version of the code has changed the schema.
    """
    found = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory(str(MIGRATIONS))
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise Unavailable(
            f"the store has schema {found}, newer than this version of cdp knows",
            where="profile store",
            hint="Upgrade cdp",
        )
    return found == scripts.get_current_head()


def upgrade(connection: sa.Connection) -> None:
    """Run the missing migrations within the connection's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
    # Another process may have done it while this one waited for the lock.
    if is_current(connection):
        return
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
