"""The request log: who called which route and what came of it. No path, no body, no person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from cdp.access.tables import request_log

REQUESTS_KEPT = 1_000_000


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
    """Write them, and drop the oldest beyond REQUESTS_KEPT."""
    connection.execute(request_log.insert(), [asdict(request) for request in requests])
    newest = sa.select(sa.func.max(request_log.c.seq)).scalar_subquery()
    connection.execute(request_log.delete().where(request_log.c.seq <= newest - REQUESTS_KEPT))


def recent_requests(connection: sa.Connection, limit: int) -> list[LoggedRequest]:
    """The newest, newest first."""
    columns = [request_log.c[name] for name in LoggedRequest.__slots__]
    newest = sa.select(*columns).order_by(request_log.c.seq.desc()).limit(limit)
    return [LoggedRequest(*row) for row in connection.execute(newest)]
