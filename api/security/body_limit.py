"""A limit on the size of request bodies, checked while they arrive.

FastAPI's own `max_body_size` bypasses the error handlers: it responds in plain text when the length is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from api.routing import ExactRoute
from cdp import json_text

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def bounded(max_bytes: int, kind: type[APIRoute] = ExactRoute) -> type[APIRoute]:
    """A route class, for `APIRouter(route_class=…)`, that responds with 413 to a longer body."""

    class BoundedRoute(kind):  # type: ignore[misc, valid-type]
        def get_route_handler(self) -> Handler:
            handle: Handler = super().get_route_handler()
            if self.body_field is None and self.methods == {"GET"}:
                return handle  # no body is read

            async def handle_bounded(request: Request) -> Response:
                declared = request.headers.get("content-length", "0")
                if declared.isdecimal() and int(declared) > max_bytes:
                    raise HTTPException(413)
                try:
                    return await handle(_JsonRequest(request.scope, _at_most(max_bytes, request.receive)))
                except ClientDisconnect:  # the client is gone, but the log must not show a defect
                    raise HTTPException(400) from None

            return handle_bounded

    return BoundedRoute


class _JsonRequest(Request):
    """A request whose JSON is read whatever its depth: what is wrong with it is for its model to say."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = json_text.loads(await self.body())
        return self._json


def _at_most(max_bytes: int, receive: Receive) -> Receive:
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise HTTPException(413)
        return message

    return receive_bounded
