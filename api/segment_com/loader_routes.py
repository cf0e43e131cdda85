"""What the SDKs of browsers and apps fetch before they send: settings, and analytics.js itself.

Segment's snippet loads `/analytics.js/v1/{write_key}/analytics.min.js`, analytics.js its settings, RudderStack's SDKs
their `/sourceConfig`. None of them sends anything without an answer.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from api.context import Context, ContextOf
from api.errors import problems
from api.routing import SlashRoute
from api.security.basic_auth import basic_credentials
from api.segment_com.analytics_js import ADVICE, settings_of
from api.segment_com.credentials import Sender, sender_by_key
from api.segment_com.tracking_routes import Success
from cdp.access.write_keys import owner_of
from cdp.errors import NotFound

router = APIRouter(tags=["tracking"], route_class=SlashRoute)

_SETTINGS_PATH = "/v1/projects/{write_key}/settings"
_SCRIPT_PATH = "/analytics.js/v1/{write_key}/analytics.min.js"
_OPEN_PATHS = re.compile(r"/v1/(m|projects/[^/]+/settings)/?|/sourceConfig/?|/analytics\.js/v1/[^/]+/[^/]+/?")
_CACHED = {"Cache-Control": "public, max-age=120"}

_KEY_PARAMETER = {
    "name": "writeKey",
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "description": "The write key, unless it is the user of HTTP Basic",
}

WriteKey = Annotated[str, InPath(description="The write key of a page or an app")]


def is_open(path: str) -> bool:
    """Whether pages of any site may fetch this path (see `api.segment_com.cors`)."""
    return _OPEN_PATHS.fullmatch(path) is not None


@router.post("/v1/m", summary="Drop the metrics of analytics.js")
async def metrics_of_analytics_js() -> Success:
    """Accept and drop the metrics of analytics.js under older settings: it would retry failed requests."""
    return Success()


@router.get(_SETTINGS_PATH, summary="Get the settings of analytics.js", responses=problems(404, 503))
async def settings_for_analytics_js(write_key: WriteKey, request: Request, context: ContextOf) -> Response:
    """Get the settings that tell analytics.js where to send events. It fetches them before the first event."""
    await _require_key(context, write_key)
    return JSONResponse(settings_of(write_key, _public_url(request, context)), headers=_CACHED)


@router.get(
    "/sourceConfig",
    summary="Get the settings of RudderStack's SDKs",
    responses=problems(401, 503),
    openapi_extra={"security": [{"Basic": []}, {}], "parameters": [_KEY_PARAMETER]},
)
async def settings_for_rudderstack(request: Request, context: ContextOf) -> Response:
    """Get the settings that RudderStack's browser and mobile SDKs fetch before the first event.

    The write key is the user of HTTP Basic, or the parameter `writeKey`. There are no destinations: events come here.
    """
    key, _ = basic_credentials(request.headers.get("authorization", "")) or (request.query_params.get("writeKey"), "")
    sender = await context.ask(lambda store: sender_by_key(store, key))
    return JSONResponse(_source_config(sender), headers={**_CACHED, "Vary": "Authorization"})


@router.get(
    _SCRIPT_PATH,
    summary="Get analytics.js",
    response_class=Response,
    responses=problems(404, 503),
)
async def analytics_js(write_key: WriteKey, context: ContextOf) -> Response:
    """Get analytics.js, as Segment's snippet does, from the package that `CDP_ANALYTICS_JS` names.

    Without one, the script that is answered says in the browser's console what to do.
    """
    await _require_key(context, write_key)
    path = context.settings.analytics_js
    if path is None:
        return Response(ADVICE, media_type="text/javascript")
    return Response(await run_in_threadpool(_script, path), media_type="text/javascript", headers=_CACHED)


def _script(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise NotFound("CDP_ANALYTICS_JS names no file that can be read") from None


async def _require_key(context: Context, write_key: str) -> None:
    if await context.ask(lambda store: owner_of(store, write_key)) is None:
        raise NotFound("There is no such write key")


def _source_config(sender: Sender) -> dict[str, Any]:
    """As the SDKs expect it; see `isValidSourceConfig` in @rudderstack/analytics-js."""
    no_reports = {"metrics": {"enabled": False}, "errors": {"enabled": False}}
    return {
        "isHosted": False,
        "source": {
            **{"id": sender.source, "name": sender.name, "enabled": True, "destinations": [], "connections": []},
            **{"workspaceId": "cdp", "dataplanes": {}, "updatedAt": "2026-01-01T00:00:00.000Z"},
            "config": {"statsCollection": no_reports},
        },
    }


def _public_url(request: Request, context: Context) -> str:
    """The configured URL, or else that of this request, so that a page under development works on any port."""
    is_set = "public_url" in context.settings.model_fields_set
    return context.settings.public_url if is_set else str(request.base_url)
