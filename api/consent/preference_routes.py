"""Unsubscribing by a link: in one click (RFC 8058), or on a page of preferences.

The link stands for who holds it: no cookies, nothing to log in to. Reading the page changes nothing, because mail
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

_FORM = {"schema": {"type": "object", "properties": {"List-Unsubscribe": {"const": "One-Click"}}}}
_FORMS = {"application/x-www-form-urlencoded": _FORM, "multipart/form-data": _FORM}


class FormNotKnown(ApiError):
    """The body is neither RFC 8058's nor one of the page's forms."""

    http_status = 400
    code = "bad_request"


@router.get("/{token}", response_class=HTMLResponse, responses=problems(404, 422, 503))
async def show_preferences(request: Request, token: Token, context: ContextOf) -> Response:
    """A page with what the holder of the link gets, and forms to change it. Changes nothing by itself."""
    try:
        link = context.unsubscribing.read(token)
    except LinkNotValid as error:
        return _refused(request, error)
    return page(await context.read(lambda connection: _preferences(connection, context, link)))


@router.post(
    "/{token}",
    response_class=HTMLResponse,
    responses=problems(400, 404, 413, 422, 503),
    openapi_extra={"requestBody": {"required": True, "content": _FORMS}},
)
async def change_preferences(request: Request, token: Token, context: ContextOf) -> Response:
    """Unsubscribe in one click, or take in a form of the page. Asked again, it answers the same."""
    try:
        link = context.unsubscribing.read(token)
        form = await request.form(max_files=0, max_fields=500)
        action = _action(form)
    except (LinkNotValid, FormNotKnown) as error:
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
        raise FormNotKnown("The body must be List-Unsubscribe=One-Click, or a form of the page")
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
    given = {
        "method": method,
        "message_id": link.message_ref,
        "ip": _network(request),
        "user_agent": request.headers.get("user-agent", "")[:256],
    }
    return {name: value for name, value in given.items() if value}


def _network(request: Request) -> str | None:
    try:
        return network_of(request.client.host) if request.client else None
    except ValueError:
        return None  # a socket of this machine


def _refused(request: Request, error: CdpError) -> Response:
    """A page for people, a problem for programs."""
    if "text/html" in request.headers.get("accept", ""):
        request.state.error_code = error.code
        return notice(error.what, error.http_status)
    return problem(request, error.http_status, error.code, error.what)
