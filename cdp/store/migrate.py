"""Migrate the store's schema, once, even if several processes start at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cdp.errors import Unavailable

MIGRATIONS = Path(__file__).parent / "migrations"

# An arbitrary number, the same in every process.
_LOCK_KEY = 4_273_611


@cache
def _revisions() -> Sequence[str]:
    """The schemas that this version knows, the newest first."""
    return [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]


def is_current(connection: sa.Connection) -> bool:
    """Whether the schema is that of this version of the code.

    Raises:
        Unavailable: the schema is that of a newer version.
    """
    found = MigrationContext.configure(connection).get_current_revision()
    revisions = _revisions()
    if found is not None and found not in revisions:
        raise Unavailable(
            f"the store has schema {found}, which is newer than this version of cdp",
            where="profile store",
            hint="Upgrade cdp",
        )
    return found == revisions[0]


def upgrade(connection: sa.Connection) -> None:
    """Run the missing migrations within the connection's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
    # Another process may have migrated while this one waited for the lock.
    if is_current(connection):
        return
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
