"""Unsubscribing by a link: in one click (RFC 8058), or on the preference page.

The link alone identifies its holder: there are no cookies and no login. Opening the page changes nothing, because mail
scanners follow every link; only a form does, or a mail program that posts `List-Unsubscribe=One-Click`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from api.consent.preference_page import CONFIRMATIONS, notice, page
from api.context import Context, ContextOf
from api.errors import ApiError, problem, problems
from api.security.body_limit import bounded
from cdp.consent import Statement
from cdp.consent.evidence import network_of
from cdp.consent.ledger import record
from cdp.consent.links import Link, LinkNotValid
from cdp.consent.preferences import Preferences, preferences_of, save, unsubscribe, unsubscribe_from_everything
from cdp.errors import CdpError
from cdp.store import Connection

router = APIRouter(prefix="/u", tags=["unsubscribe"], route_class=bounded(16_384))

Token = Annotated[str, Path(max_length=4096)]

ONE_CLICK = ("List-Unsubscribe", "One-Click")

_FORM = {
    "schema": {"type": "object", "properties": {"List-Unsubscribe": {"const": "One-Click"}}},
    "example": {"List-Unsubscribe": "One-Click"},
}
_FORMS = {"application/x-www-form-urlencoded": _FORM, "multipart/form-data": _FORM}


class UnknownForm(ApiError):
    """The body is neither that of RFC 8058 nor one of the page's forms."""

    http_status = 400
    code = "bad_request"


@router.get(
    "/{token}", summary="Show the preference page", response_class=HTMLResponse, responses=problems(404, 422, 503)
)
async def show_preferences(request: Request, token: Token, context: ContextOf) -> Response:
    """Show the preferences of the link's holder, with forms to change them. Opening the page changes nothing."""
    try:
        link = context.unsubscribing.read(token)
    except LinkNotValid as error:
        return _refused(request, error)
    return page(await context.read(lambda connection: _preferences(connection, context, link)))


@router.post(
    "/{token}",
    summary="Unsubscribe or change preferences",
    response_class=HTMLResponse,
    responses=problems(400, 404, 413, 422, 503),
    openapi_extra={"requestBody": {"required": True, "content": _FORMS}},
)
async def change_preferences(request: Request, token: Token, context: ContextOf) -> Response:
    """Unsubscribe in one click, or submit a form of the preference page. Repeating a request changes nothing more."""
    try:
        link = context.unsubscribing.read(token)
        form = await request.form(max_files=0, max_fields=500)
        action = _action(form)
    except (LinkNotValid, UnknownForm) as error:
        return _refused(request, error)
    evidence = _evidence(request, link, "one_click" if ONE_CLICK in form.multi_items() else "preference_page")

    def change() -> Preferences:
        with context.store.write() as connection:
            before = _preferences(connection, context, link)
            record(connection, _statements(connection, before, action, form, evidence), before.consents.as_of)
            return _preferences(connection, context, link)

    after = await run_in_threadpool(change)
    return PlainTextResponse("Unsubscribed\n") if ONE_CLICK in form.multi_items() else page(after, action)


def _preferences(connection: Connection, context: Context, link: Link) -> Preferences:
    return preferences_of(connection, link, rules=context.policy.consent, as_of=context.clock())


def _action(form: FormData) -> str:
    action = "unsubscribe" if ONE_CLICK in form.multi_items() else form.get("action")
    if action not in CONFIRMATIONS:
        raise UnknownForm("The body must be List-Unsubscribe=One-Click or a form of the preference page")
    return str(action)


def _statements(
    connection: Connection, found: Preferences, action: str, form: FormData, evidence: Mapping[str, str]
) -> list[Statement]:
    match action:
        case "unsubscribe":
            return unsubscribe(found, evidence)
        case "save":
            return save(found, {str(chosen) for chosen in form.getlist("choice")}, evidence)
        case _:
            return unsubscribe_from_everything(connection, found, evidence)


def _evidence(request: Request, link: Link, method: str) -> dict[str, str]:
    evidence = {
        "method": method,
        "message_id": link.message_ref,
        "ip": _network(request),
        "user_agent": request.headers.get("user-agent", "")[:256],
    }
    return {name: value for name, value in evidence.items() if value}


def _network(request: Request) -> str | None:
    try:
        return network_of(request.client.host) if request.client else None
    except ValueError:
        return None  # a local socket


def _refused(request: Request, error: CdpError) -> Response:
    """An HTML page for browsers, a problem document for other clients."""
    if "text/html" in request.headers.get("accept", ""):
        request.state.error_code = error.code
        return notice(error.what, error.http_status)
    return problem(request, error.http_status, error.code, error.what)
