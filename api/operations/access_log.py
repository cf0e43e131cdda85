"""The access log: for each request a line on standard error, a row of the request log, and metrics.

They record the client, the route and the outcome, but never a path or a body, which may contain personal data.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.context import Clock
from api.operations.metrics import Metrics
from api.operations.request_log import RequestLog
from cdp.access.request_log import LoggedRequest

Logger = structlog.typing.FilteringBoundLogger


def make_log() -> Logger:
    """A logger that writes text to a terminal and JSON lines otherwise."""
    render = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    log: Logger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("INFO"),
    )
    return log


class AccessLog:
    """Middleware that gives each request an id and logs its end.

    Handlers pass further details in `request.state`: `client_id`, the `error_code` of a problem, the `reason` of a
    refusal that the response does not give, and `headers` to add to the response. `headers` here are those of every
    response.
    """

    def __init__(
        self,
        app: ASGIApp,
        log: Logger,
        requests: RequestLog,
        metrics: Metrics,
        clock: Clock,
        headers: Mapping[str, str],
    ) -> None:
        self.app = app
        self.log = log
        self.requests = requests
        self.metrics = metrics
        self.clock = clock
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = str(uuid.uuid4())
        started = time.perf_counter()
        # Without a response, an outer handler reports a defect.
        status = 500

        async def record_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message, state.get("headers"))
            await send(message)

        try:
            await self.app(scope, receive, record_status)
        finally:
            self._log(scope, state, status, time.perf_counter() - started)

    def _add_headers(self, message: Message, own: Mapping[str, str] | None) -> None:
        given = list(message["headers"])
        names = {name for name, _ in given}
        given += [header for header in self.headers if header[0] not in names]
        message["headers"] = [*given, *((name.lower().encode(), value.encode()) for name, value in (own or {}).items())]

    def _log(self, scope: Scope, state: Mapping[str, Any], status: int, seconds: float) -> None:
        request = LoggedRequest(
            requested_at=self.clock(),
            client_id=state.get("client_id"),
            method=scope["method"] if scope["method"] in _METHODS else "other",
            route=getattr(scope.get("route"), "path", None),
            status=status,
            milliseconds=round(seconds * 1000, 2),
            error_code=state.get("error_code") or ("defect" if status == 500 else None),
        )
        self.requests.add(request)
        self.metrics.request(request.method, request.route, status, seconds)
        self.log.info(
            "request",
            client=request.client_id,
            method=request.method,
            route=request.route,
            status=status,
            ms=request.milliseconds,
            code=request.error_code,
            id=state["request_id"],
            **({"reason": state["reason"]} if "reason" in state else {}),
        )


# A method is arbitrary text from the client, which must not flood the log or the metrics.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
