"""One line a request on standard error: who, which route, what came of it. Never a path or a body."""

from __future__ import annotations

import sys
import time
import uuid

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    """Gives each request an id and logs its end. `request.state.client_id` is set by who knows the client."""

    def __init__(self, app: ASGIApp, log: Logger) -> None:
        self.app = app
        self.log = log

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
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            self.log.info(
                "request",
                client=state.get("client_id"),
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 2),
                id=state["request_id"],
            )
