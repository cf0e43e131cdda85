"""Health checks and metrics."""

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
    """The service cannot serve yet."""

    http_status = 503
    code = "not_ready"


@router.get("/healthz", summary="Check liveness")
async def healthz() -> Alive:
    """Check that the process is alive."""
    return Alive(status="alive")


@router.get("/readyz", summary="Check readiness", responses=problems(503))
async def readyz(context: ContextOf) -> Ready:
    """Check that the store is available with the expected schema, and that a run has been published."""
    run = await context.read(_served_run)
    if run is None:
        raise NotReady("Nothing has been published yet")
    return Ready(status="ready", run_id=run.run_id, as_of=run.as_of)


@router.get(
    "/metrics",
    summary="Get Prometheus metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {CONTENT_TYPE: {"schema": {"type": "string"}}}}, **problems(503)},
)
async def metrics(context: ContextOf) -> Response:
    """Get metrics in Prometheus format: requests, live events, decisions, the inbox, and the age of the served run."""
    gauges = await context.read(lambda connection: _gauges(connection, context.clock()))
    return Response(context.metrics.page(gauges), media_type=CONTENT_TYPE)


def _gauges(connection: Connection, now: datetime) -> dict[str, tuple[str, float]]:
    gauges = {"cdp_inbox_depth": ("Live payloads not yet landed by a run", float(inbox.depth(connection)))}
    run = last_published_run(connection)
    if run:
        age = (now - run.started_at).total_seconds()
        gauges["cdp_published_run_age_seconds"] = ("Seconds since the start of the served run", age)
    return gauges


def _served_run(connection: Connection) -> PublishedRun | None:
    if not is_current(connection):
        raise NotReady("The schema of the store is out of date")
    return last_published_run(connection)
