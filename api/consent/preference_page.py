"""The page of preferences: HTML without scripts, cookies or anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.responses import HTMLResponse

from cdp.consent.preferences import Preferences

TITLE = "Your messages from us"
# What the page says after each action of its forms.
CONFIRMATIONS = {
    "unsubscribe": "You are unsubscribed.",
    "save": "Your choices are saved.",
    "everything": "You are unsubscribed from everything.",
}

_FOLDER = Path(__file__).resolve().parent / "templates"
_STYLE = (_FOLDER / "preferences.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_TEMPLATE = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True).get_template(
    "preferences.html"
)

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    # The address of the page is a key to it.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


def page(found: Preferences, done: str | None = None) -> HTMLResponse:
    """The page of what the holder of a link gets; `done` is the action that was just taken."""
    return _html(200, preferences=found, told=CONFIRMATIONS[done] if done else "")


def notice(told: str, status: int) -> HTMLResponse:
    """A page that says one thing."""
    return _html(status, told=told)


def _html(status: int, **shown: Any) -> HTMLResponse:
    return HTMLResponse(_TEMPLATE.render(title=TITLE, style=_STYLE, **shown), status, HEADERS)
