"""The store's tables. A change here needs a migration in `migrations/versions`; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """A point in time. Takes any aware datetime, gives UTC; SQLite keeps it as text without a zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=optional)


def _time(name: str, *, optional: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, UtcTime, nullable=optional)


def _sequence() -> sa.Column[Any]:
    return sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


# No foreign keys to profiles: a run writes all these tables in one transaction, and to check a million
# identifiers one by one would take half of its time. Members and aliases outlive profiles anyway.
profiles = sa.Table(
    "profiles",
    metadata,
    _text("profile_id", key=True),
    _text("document"),
    _text("document_hash"),
    _time("updated_at"),
)

identifiers = sa.Table(
    "identifiers",
    metadata,
    _text("type", key=True),
    _text("value", key=True),
    sa.Column("profile_id", sa.Text, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

members = sa.Table("members", metadata, _text("observation_id", key=True), _text("profile_id"), _text("run_id"))

# Where an observation was before: from the run that put it there to the run that took it away.
former_members = sa.Table(
    "former_members",
    metadata,
    _sequence(),
    _text("observation_id"),
    _text("profile_id"),
    _text("from_run_id"),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)

aliases = sa.Table("aliases", metadata, _text("old_profile_id", key=True), _text("profile_id"), _text("run_id"))

profile_changes = sa.Table(
    "profile_changes",
    metadata,
    _sequence(),
    _text("profile_id"),
    _text("other_profile_id", optional=True),
    _text("reason"),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)

segment_changes = sa.Table(
    "segment_changes",
    metadata,
    _sequence(),
    _text("profile_id"),
    _text("segment"),
    _text("change"),
    _time("changed_at"),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sqlite_autoincrement=True,
)

steward_decisions = sa.Table(
    "steward_decisions",
    metadata,
    _text("decision_id", key=True),
    _text("kind"),
    _text("left_id"),
    _text("right_id"),
    _text("author"),
    _text("reason"),
    _time("decided_at"),
    sa.CheckConstraint("kind in ('link', 'unlink')", name="kind"),
)

runs = sa.Table(
    "runs",
    metadata,
    _text("run_id", key=True),
    _time("as_of"),
    sa.Column("started_at", UtcTime, nullable=False, index=True),
    sa.Column("published", sa.Boolean, nullable=False),
    _text("report"),
)

clients = sa.Table(
    "clients",
    metadata,
    _text("client_id", key=True),
    _text("name"),
    _text("secret_hash"),
    _text("scopes"),
    _time("created_at"),
    _time("rotated_at", optional=True),
    _time("disabled_at", optional=True),
)

# A removed client stays on record; its name may be given again.
sa.Index(
    "uq_clients_name",
    clients.c.name,
    unique=True,
    sqlite_where=clients.c.disabled_at.is_(None),
    postgresql_where=clients.c.disabled_at.is_(None),
)
