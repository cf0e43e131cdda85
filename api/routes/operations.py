"""Is the process alive, can it serve."""

from __future__ import annotations

from fastapi import APIRouter

from api.context import ContextOf
from api.errors import ApiError, problems
from api.schemas import Alive, Ready
from cdp.store import Connection
from cdp.store.migrate import is_current
from cdp.store.runs import PublishedRun, last_published_run

router = APIRouter(tags=["operations"])


class NotReady(ApiError):
    """There is nothing to serve yet."""

    http_status = 503
    code = "not_ready"


@router.get("/healthz")
async def healthz() -> Alive:
    """The process is alive."""
    return Alive(status="alive")


@router.get("/readyz", responses=problems(503))
async def readyz(context: ContextOf) -> Ready:
    """The store is in reach, its schema is the one expected, and a run has been published."""
    run = await context.read(_served_run)
    if run is None:
        raise NotReady("Nothing has been published yet")
    return Ready(status="ready", run_id=run.run_id, as_of=run.as_of)


def _served_run(connection: Connection) -> PublishedRun | None:
    if not is_current(connection):
        raise NotReady("The store's schema is not up to date")
    return last_published_run(connection)
