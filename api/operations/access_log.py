"""The end of each request, noted: a line on standard error, a row of the request log, a measurement.

Who, which route, what came of it. Never a path or a body, because these may hold personal data.
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
from cdp.store.requests import LoggedRequest

Logger = structlog.typing.FilteringBoundLogger


def make_log() -> Logger:
    """A logger of text on a terminal, of JSON lines otherwise."""
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
    """Gives each request an id, and notes its end.

    Others tell it what it cannot know in `request.state`: `client_id`, the `error_code` of a problem, the `reason` of a
    refusal that the answer does not give, and `headers` that the answer shall have.
    """

    def __init__(self, app: ASGIApp, log: Logger, requests: RequestLog, metrics: Metrics, clock: Clock) -> None:
        self.app = app
        self.log = log
        self.requests = requests
        self.metrics = metrics
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = str(uuid.uuid4())
        started = time.perf_counter()
        # What ends without an answer is answered outside of here, as a defect.
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, state.get("headers"))
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            self._note(scope, state, status, time.perf_counter() - started)

    def _note(self, scope: Scope, state: Mapping[str, Any], status: int, seconds: float) -> None:
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


# A method is the caller's own text, which shall fill neither the log nor the metrics.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _add_headers(message: Message, headers: Mapping[str, str] | None) -> None:
    if headers:
        new = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        message["headers"] = [*message["headers"], *new]
