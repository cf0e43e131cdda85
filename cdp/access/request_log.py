"""The request log: clients, routes and outcomes. It holds no paths, no bodies and no personal data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from cdp.access.tables import request_log
from cdp.store.bulk import delete_first


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request and its outcome.

    route: the route's template, such as `/v1/profiles/{profile_id}`; None if no route matched.
    error_code: the `code` of the problem, if the response was one.
    """

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
    """Delete requests older than the newest `kept` ones, at most `most` of them; return the number deleted."""
    newest = sa.select(sa.func.max(request_log.c.seq)).scalar_subquery()
    return delete_first(connection, request_log, request_log.c.seq <= newest - kept, most)


def recent_requests(connection: sa.Connection, limit: int, *conditions: sa.ColumnElement[bool]) -> list[LoggedRequest]:
    """The latest requests that meet all conditions, newest first."""
    columns = [request_log.c[name] for name in LoggedRequest.__slots__]
    newest = sa.select(*columns).where(*conditions).order_by(request_log.c.seq.desc()).limit(limit)
    return [LoggedRequest(*row) for row in connection.execute(newest)]


# Errors are looked for among this many requests, because a scan of all takes long where there are none.
_SEARCHED_REQUESTS = 20_000


def refused_requests(connection: sa.Connection, limit: int) -> list[LoggedRequest]:
    """The latest requests that failed, among the recent ones, newest first."""
    newest = sa.select(sa.func.max(request_log.c.seq)).scalar_subquery()
    is_recent = request_log.c.seq > newest - _SEARCHED_REQUESTS
    return recent_requests(connection, limit, is_recent, request_log.c.status >= 400)
