"""The column types of the store's tables, each declared once, and the metadata that all tables belong to.

Each domain declares its tables in its `tables.py`; `cdp/store/schema.py` collects them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator


def in_utc(time: datetime) -> datetime:
    """The same time in UTC.

    Raises:
        ValueError: the time has no zone, so that it would depend on the zone of the machine.
    """
    if time.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    return time.astimezone(UTC)


class UtcTime(TypeDecorator[datetime]):
    """A point in time. Accepts any aware datetime and returns UTC; SQLite stores it as text without a zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return in_utc(value) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def text(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=optional)


def time(name: str, *, optional: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, UtcTime, nullable=optional)


def sequence() -> sa.Column[Any]:
    return sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
