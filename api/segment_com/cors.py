"""CORS: pages of any site may send events. Browsers hold no credentials but a write key, which is public anyway."""

from __future__ import annotations

from collections.abc import Callable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

# Preflights are cached for a day; Chromium caps this at two hours.
_MAX_AGE_SECONDS = 86_400


class BrowserAccess:
    """CORS for the paths that `is_open` selects, errors included."""

    def __init__(self, app: ASGIApp, is_open: Callable[[str], bool]) -> None:
        self._app = app
        self._is_open = is_open
        self._open = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Retry-After"],
            max_age=_MAX_AGE_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = scope["type"] == "http" and self._is_open(scope["path"])
        await (self._open if is_open else self._app)(scope, receive, send)
