"""Messages for those who ask what became of them: with their attempts, receipts and fallbacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cdp.errors import NotFound
from cdp.sending.attempts import Attempt, attempts_of
from cdp.sending.messages import COLUMNS, Message, message_of, messages_of
from cdp.sending.tables import message_reports, messages
from cdp.store import Connection
from cdp.store.prepared import Prepared, among


@dataclass(frozen=True)
class Report:
    """A receipt as it was kept. state: of the message after it."""

    event_type: str
    occurred_at: datetime
    received_at: datetime
    state: str


@dataclass(frozen=True)
class Tracked:
    """A message, and all that is on record of it. fallback_id: the message on the next channel."""

    message: Message
    attempts: Sequence[Attempt]
    reports: Sequence[Report]
    fallback_id: str | None


@dataclass(frozen=True)
class Filter:
    """Which messages are listed. before: the (created_at, message_id) of the last one of the page before."""

    campaign: str | None = None
    profile_ids: Sequence[str] = ()
    state: str | None = None
    before: tuple[datetime, str] | None = None


_REPORTS = Prepared(
    sa.select(
        message_reports.c.message_id,
        *(message_reports.c[name] for name in ("event_type", "occurred_at", "received_at", "state")),
    )
    .where(among(message_reports.c.message_id, "ids"))
    .order_by(message_reports.c.seq)
)
_FALLBACKS = Prepared(sa.select(messages.c.parent_id, messages.c.message_id).where(among(messages.c.parent_id, "ids")))


_FIRST_AT = Prepared(sa.select(messages.c.created_at).order_by(messages.c.created_at).limit(1))


def first_accepted_at(connection: Connection) -> datetime | None:
    """When the first message was accepted."""
    return next((at for (at,) in _FIRST_AT.rows(connection)), None)


def tracked(connection: Connection, message_id: str) -> Tracked:
    """A message with its history.

    Raises:
        NotFound: there is none with this id.
    """
    found = messages_of(connection, [message_id])
    if message_id not in found:
        raise NotFound("There is no message with this id")
    return with_history(connection, list(found.values()))[0]


def with_history(connection: Connection, found: Sequence[Message]) -> list[Tracked]:
    """Messages with their histories, in order."""
    ids = [one.message_id for one in found]
    if not ids:
        return []
    attempts = attempts_of(connection, ids)
    reports: dict[str, list[Report]] = {}
    for message_id, *report in _REPORTS.rows(connection, ids=ids):
        reports.setdefault(message_id, []).append(Report(*report))
    fallbacks: Mapping[str, str] = dict(_FALLBACKS.rows(connection, ids=ids))
    return [
        Tracked(one, attempts.get(one.message_id, ()), reports.get(one.message_id, ()), fallbacks.get(one.message_id))
        for one in found
    ]


def list_messages(connection: Connection, wanted: Filter, limit: int) -> list[Message]:
    """The latest messages of a kind, at most `limit`."""
    chosen = sa.select(*COLUMNS).where(*_conditions(wanted))
    if wanted.before is not None:
        at, message_id = wanted.before
        is_older = sa.or_(
            messages.c.created_at < at, sa.and_(messages.c.created_at == at, messages.c.message_id < message_id)
        )
        chosen = chosen.where(is_older)
    latest = chosen.order_by(messages.c.created_at.desc(), messages.c.message_id.desc()).limit(limit)
    return [message_of(row) for row in connection.execute(latest)]


def counts(connection: Connection, wanted: Filter) -> list[tuple[str | None, str, int]]:
    """(channel, state, number of messages) of a kind, on all pages."""
    groups = (messages.c.channel, messages.c.state)
    rows = connection.execute(sa.select(*groups, sa.func.count()).where(*_conditions(wanted)).group_by(*groups))
    return [(channel, state, number) for channel, state, number in rows]


def _conditions(wanted: Filter) -> Iterator[sa.ColumnElement[bool]]:
    """What the messages of a kind have in common, on whatever page."""
    if wanted.campaign is not None:
        yield messages.c.campaign == wanted.campaign
    if wanted.profile_ids:
        yield messages.c.profile_id.in_(wanted.profile_ids)
    if wanted.state is not None:
        yield messages.c.state == wanted.state
