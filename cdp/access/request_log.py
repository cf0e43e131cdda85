"""The request log: who called which route and what came of it. No path, no body, no person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from cdp.access.tables import request_log
from cdp.store.bulk import delete_first


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """route: its template, such as `/v1/profiles/{profile_id}`; none where no route matched. error_code: the
    problem's `code`, where the answer was one."""

    requested_at: datetime
    client_id: str | None
    method: str
    route: str | None
    status: int
    milliseconds: float
    error_code: str | None


def append_requests(connection: sa.Connection, requests: Sequence[LoggedRequest]) -> None:
    connection.execute(request_log.insert(), [asdict(request) for request in requests])


def forget_oldest(connection: sa.Connection, kept: int, most: int) -> int:
    """Remove what is older than the newest `kept` requests, no more than `most`; returns how many."""
    newest = sa.select(sa.func.max(request_log.c.seq)).scalar_subquery()
    return delete_first(connection, request_log, request_log.c.seq <= newest - kept, most)


def recent_requests(connection: sa.Connection, limit: int) -> list[LoggedRequest]:
    """The newest, newest first."""
    columns = [request_log.c[name] for name in LoggedRequest.__slots__]
    newest = sa.select(*columns).order_by(request_log.c.seq.desc()).limit(limit)
    return [LoggedRequest(*row) for row in connection.execute(newest)]
