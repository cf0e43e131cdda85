"""The debugger: the last payloads and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.context import ContextOf
from api.cursors import Cursors
from api.debug.schemas import DebugEvents
from api.errors import InsufficientScope, problems
from api.responses import answer
from api.security.auth import DebugReader
from cdp.access.request_log import LoggedRequest, refused_requests
from cdp.live.debugging import Outcome, Seen, last_payloads
from cdp.store import Connection

router = APIRouter(prefix="/v1/debug", tags=["debug"])

# What a caller needs to see values.
VALUES_SCOPE = "profiles:read"
_MOST_REFUSED = 20
# No number in the inbox is greater.
_CURSORS: Cursors[int] = Cursors(Annotated[int, Query(ge=1, le=2**63 - 1)])


SourceName = Annotated[str, Query(max_length=100, pattern=r"^[a-z0-9_]*$", description="Only payloads of this source")]


@router.get(
    "/events",
    name="debug_events",
    summary="See the last payloads",
    response_model=DebugEvents,
    responses=problems(400, 401, 403, 422, 429, 503),
)
async def debug_events(
    caller: DebugReader,
    context: ContextOf,
    source: SourceName | None = None,
    outcome: Annotated[Outcome | None, Query(description="Only payloads with this outcome")] = None,
    values: Annotated[bool, Query(description=f"Show values, too; this needs the scope {VALUES_SCOPE}")] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """See the last payloads received over HTTP, the latest first: why they were rejected, which were repeats, which
    profile they led to, and which run has landed them. Payloads are looked for among the last 100,000; landed ones are
    kept for thirty days.
    """
    if values and VALUES_SCOPE not in caller.scopes:
        raise InsufficientScope(VALUES_SCOPE)
    before = _CURSORS.position(cursor) if cursor else None

    def find(connection: Connection) -> tuple[Sequence[Seen], Sequence[LoggedRequest]]:
        found = last_payloads(connection, limit + 1, source=source, outcome=outcome, before=before)
        return found, [] if cursor else refused_requests(connection, _MOST_REFUSED)

    found, refused = await run_in_threadpool(context.read_now, find)
    shown = found[:limit]
    return answer(
        {
            "events": [one.document(shows_values=values) for one in shown],
            "refused_requests": [_document(request) for request in refused],
            "next_cursor": _CURSORS.text(shown[-1].seq) if len(found) > limit else None,
        }
    )


def _document(request: LoggedRequest) -> dict[str, Any]:
    return {
        "requested_at": request.requested_at.isoformat(),
        "client_id": request.client_id,
        "method": request.method,
        "route": request.route,
        "status": request.status,
        "code": request.error_code,
    }
