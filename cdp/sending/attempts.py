"""Attempts: each call of a provider is written as started before it is made, and with its outcome after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cdp.sending.tables import message_attempts
from cdp.store import Connection
from cdp.store.prepared import Prepared, Value, among


@dataclass(frozen=True)
class Attempt:
    """A call of a provider. outcome: None while it lasts, and for good if its worker died."""

    message_id: str
    number: int
    provider: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    error: str | None = None


_COLUMNS = ("message_id", "number", "provider", "started_at", "ended_at", "outcome", "error")
_START = Prepared(message_attempts.insert())
_END = Prepared(
    message_attempts.update()
    .where(
        message_attempts.c.message_id == sa.bindparam("id"),
        message_attempts.c.number == sa.bindparam("which"),
        message_attempts.c.outcome.is_(None),
    )
    .values(ended_at=sa.bindparam("new_ended_at"), outcome=sa.bindparam("new_outcome"), error=sa.bindparam("new_error"))
)
_OF = Prepared(
    sa.select(*(message_attempts.c[name] for name in _COLUMNS))
    .where(among(message_attempts.c.message_id, "ids"))
    .order_by(message_attempts.c.message_id, message_attempts.c.number)
)


def attempts_of(connection: Connection, ids: Collection[str]) -> dict[str, list[Attempt]]:
    """The attempts of messages, by message, in order."""
    found: dict[str, list[Attempt]] = {}
    for row in _OF.rows(connection, ids=ids) if ids else ():
        found.setdefault(row[0], []).append(Attempt(*row))
    return found


_OUTCOMES = Prepared(
    sa.select(message_attempts.c.provider, message_attempts.c.outcome, sa.func.count())
    .where(message_attempts.c.ended_at > sa.bindparam("since"))
    .group_by(message_attempts.c.provider, message_attempts.c.outcome)
)


def outcomes_since(connection: Connection, since: datetime) -> list[tuple[str, str, int]]:
    """(provider, outcome, number) of the attempts that have ended since."""
    return [(provider, outcome, number) for provider, outcome, number in _OUTCOMES.rows(connection, since=since)]


def start(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Write attempts as started."""
    _START.write(connection, [vars(one) for one in attempts])


def end(connection: Connection, ended: Sequence[Attempt]) -> None:
    """Write the outcomes of attempts."""
    _END.write(connection, [_ended(one) for one in ended])


def _ended(one: Attempt) -> Mapping[str, Value]:
    written = {"new_ended_at": one.ended_at, "new_outcome": one.outcome, "new_error": one.error}
    return {"id": one.message_id, "which": one.number, **written}
