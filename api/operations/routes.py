"""Is the process alive, can it serve."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE

from api.context import ContextOf
from api.errors import ApiError, problems
from api.operations.schemas import Alive, Ready
from cdp.live import inbox
from cdp.runs.ledger import PublishedRun, last_published_run
from cdp.store import Connection
from cdp.store.migrate import is_current

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


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {CONTENT_TYPE: {"schema": {"type": "string"}}}}, **problems(503)},
)
async def metrics(context: ContextOf) -> Response:
    """For Prometheus: requests, live events and decisions counted, the inbox and the age of what is served."""
    gauges = await context.read(lambda connection: _gauges(connection, context.clock()))
    return Response(context.metrics.page(gauges), media_type=CONTENT_TYPE)


def _gauges(connection: Connection, now: datetime) -> dict[str, tuple[str, float]]:
    gauges = {"cdp_inbox_depth": ("Live payloads that no run has taken in yet", float(inbox.depth(connection)))}
    run = last_published_run(connection)
    if run:
        age = (now - run.started_at).total_seconds()
        gauges["cdp_published_run_age_seconds"] = ("Seconds since the run that is served began", age)
    return gauges


def _served_run(connection: Connection) -> PublishedRun | None:
    if not is_current(connection):
        raise NotReady("The store's schema is not up to date")
    return last_published_run(connection)
