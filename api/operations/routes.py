"""Health checks and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE

from api.context import ContextOf
from api.errors import ApiError, problems
from api.operations.metrics import Gauge
from api.operations.schemas import Alive, Ready
from cdp.live import inbox
from cdp.runs.ledger import PublishedRun, last_published_run
from cdp.sending.attempts import outcomes_since
from cdp.sending.health import points_of
from cdp.store import Connection
from cdp.store.migrate import is_current
from cdp.work.overview import status_by_kind

router = APIRouter(tags=["operations"])

_LATELY = timedelta(minutes=5)
_OF_ATTEMPTS = ("provider", "outcome")


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
    """Get metrics in Prometheus format: requests, live events, decisions, the inbox, the queue, the calls of providers,
    and the age of the served run.
    """
    gauges = await context.read(lambda connection: _gauges(connection, context.clock()))
    return Response(context.metrics.page(gauges), media_type=CONTENT_TYPE)


def _gauges(connection: Connection, now: datetime) -> list[Gauge]:
    depth = inbox.depth(connection)
    gauges = [Gauge("cdp_inbox_depth", "Live payloads not yet landed by a run", [((), depth)])]
    if run := last_published_run(connection):
        age = (now - run.started_at).total_seconds()
        gauges.append(Gauge("cdp_published_run_age_seconds", "Seconds since the start of the served run", [((), age)]))
    return [*gauges, *_of_work(connection, now), *_of_providers(connection, now)]


def _of_work(connection: Connection, now: datetime) -> Iterator[Gauge]:
    kinds = status_by_kind(connection, now)
    states = ("waiting", "due", "leased", "failed")
    counts = [((one.kind, state), getattr(one, state)) for one in kinds for state in states]
    yield Gauge("cdp_work_items", "Items of the queue, by kind and state", counts, ("kind", "state"))
    overdue = [((one.kind,), (now - one.oldest_due_at).total_seconds()) for one in kinds if one.oldest_due_at]
    yield Gauge("cdp_work_overdue_seconds", "Seconds that the oldest due item has waited, by kind", overdue, ("kind",))


def _of_providers(connection: Connection, now: datetime) -> Iterator[Gauge]:
    lately = outcomes_since(connection, now - _LATELY)
    meaning = "Messages handed over in the last five minutes, by provider and outcome"
    yield Gauge("cdp_send_attempts", meaning, [((provider, what), n) for provider, what, n in lately], _OF_ATTEMPTS)
    health = [((provider,), points) for provider, points in points_of(connection).items()]
    meaning = "Share of its traffic that a failing provider keeps, from 0 to 1"
    yield Gauge("cdp_provider_health", meaning, health, ("provider",))


def _served_run(connection: Connection) -> PublishedRun | None:
    if not is_current(connection):
        raise NotReady("The schema of the store is out of date")
    return last_published_run(connection)
