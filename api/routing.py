"""What holds for the paths and methods of all routes."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ExactRoute(APIRoute):
    """A route whose parameters take no path that another route names as it stands.

    So `/v1/profiles/lookup`, which is to be posted to, is nobody's profile for any other method.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is to this path, and by this route's methods."""
        match, found = super().matches(scope)
        is_anothers = bool(found.get("path_params")) and scope["path"] in scope["app"].state.named_paths
        return (Match.NONE, {}) if is_anothers else (match, found)


class SlashRoute(ExactRoute):
    """A route that is also called with a slash behind its path, as some SDKs do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is to this path, and by this route's methods."""
        return super().matches({**scope, "path": scope["path"].removesuffix("/")})


def named_paths(routers: Iterable[APIRouter]) -> frozenset[str]:
    """The paths without parameters."""
    paths = (route.path for router in routers for route in router.routes if isinstance(route, APIRoute))
    return frozenset(path for path in paths if "{" not in path)


def answers_head(path: str) -> bool:
    """Whether HEAD is answered where GET is. An unsubscribe link is for people to open, and for nobody to try out."""
    return not path.startswith("/u/")


class HeadAsGet:
    """Middleware by which HEAD is answered as GET is, without the body (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or not answers_head(scope["path"]):
            await self._app(scope, receive, send)
            return
        as_get = {**scope, "method": "GET"}

        async def send_without_body(message: Message) -> None:
            is_part = message["type"] == "http.response.body" and message.get("more_body", False)
            if not is_part:
                await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        try:
            await self._app(as_get, receive, send_without_body)
        finally:
            # For the access log.
            scope["route"] = as_get.get("route")
