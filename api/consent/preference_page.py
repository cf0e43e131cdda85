"""The preference page: HTML without scripts, cookies or external resources."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

from cdp.consent.preferences import Preferences

if TYPE_CHECKING:
    from jinja2 import Template

TITLE = "Your messages from us"
# The confirmation shown after each form action.
CONFIRMATIONS = {
    "unsubscribe": "You have been unsubscribed.",
    "save": "Your preferences have been saved.",
    "everything": "You have been unsubscribed from everything.",
}

_FOLDER = Path(__file__).resolve().parent / "templates"
_STYLE = (_FOLDER / "preferences.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    # The URL of the page is a credential.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


def page(found: Preferences, done: str | None = None) -> HTMLResponse:
    """The page with the preferences of the link's holder; `done` is the action just taken."""
    return _html(200, preferences=found, message=CONFIRMATIONS[done] if done else "")


def notice(message: str, status: int) -> HTMLResponse:
    """A page with only a message."""
    return _html(status, message=message)


def _html(status: int, **shown: Any) -> HTMLResponse:
    return HTMLResponse(_template().render(title=TITLE, style=_STYLE, **shown), status, HEADERS)


@cache
def _template() -> Template:
    # Imported for the first page, not at start.
    from jinja2 import Environment, FileSystemLoader

    pages = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True)
    return pages.get_template("preferences.html")
