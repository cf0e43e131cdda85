"""The tracking API, compatible with Segment's, so that its SDKs and RudderStack's work unchanged.

https://www.twilio.com/docs/segment/connections/sources/catalog/libraries/server/http-api. A body is read as JSON with
any content type: browsers send text/plain. The response to success is always the same 200, because one SDK sends
events again after any other.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.context import Context, ContextOf
from api.errors import problems
from api.security.auth import count_request
from api.security.body_limit import bounded
from api.segment_com import items
from api.segment_com.body import read_object
from api.segment_com.credentials import sender_by_header, sender_by_key
from cdp.live import LiveItem

router = APIRouter(tags=["tracking"])

MAX_BYTES = 500 * 1024
MAX_IMPORT_BYTES = 4 * 1024 * 1024

SINGLE_CALLS = ("track", "identify", "page", "screen", "group", "alias")
_SUMMARIES = {
    "track": "Track an event",
    "identify": "Identify a user",
    "page": "Record a page view",
    "screen": "Record a screen view",
    "group": "Associate a user with a group",
    "alias": "Merge two user ids",
    "batch": "Send a batch of calls",
    "import": "Import history",
}
_DESCRIPTIONS = {
    **{call: f"Send one `{call}` call of at most 32 KB." for call in SINGLE_CALLS},
    "batch": (
        "Send up to 2,500 calls, at most 500 KB in total: `{batch: [{type, …}], sentAt?, context?, integrations?}`."
    ),
    "import": "Import history as a batch of at most 4 MB.",
}
_CALL_EXAMPLE = {
    **{"userId": "usr_1", "event": "Product Viewed", "messageId": "m-1", "timestamp": "2026-07-01T12:00:00Z"},
    "properties": {"product_id": "BAG-120"},
}
_SECURITY = [{"Basic": []}, {"OAuth2": ["events:write"]}]


def _documented(example: dict[str, Any]) -> dict[str, Any]:
    """The body of a call, which is read with any content type, and who may send it: a write key is a user of Basic."""
    content = {"schema": {"type": "object", "additionalProperties": True}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}, "security": _SECURITY}


_OPEN_PATHS = re.compile(rf"/v1/({'|'.join(_SUMMARIES)}|[tipsgab])/?|/beacon/v1/batch")

Endpoint = Callable[[Request, Context], Awaitable[Response]]


class Success(BaseModel):
    """All events are stored, now or by an earlier request."""

    success: Literal[True] = True


_SUCCESS = '{"success": true}'


def is_open(path: str) -> bool:
    """Whether pages of any site may call this path (see `api.segment_com.cors`)."""
    return _OPEN_PATHS.fullmatch(path) is not None


def _endpoint(call: str, max_bytes: int) -> Endpoint:
    async def receive_call(request: Request, context: ContextOf) -> Response:
        by_header = await sender_by_header(request, context)
        body = await request.body()
        received_at = context.clock()
        document = await context.intake.read(len(body), partial(read_object, body, max_bytes))
        key = request.query_params.get("writeKey", document.get("writeKey"))
        sender = by_header if by_header else await context.ask(lambda store: sender_by_key(store, key))
        request.state.client_id = sender.name
        count_request(request, sender.name)
        work = partial(_events, call, document, items.Delivery(received_at, sender.stamp))
        await context.intake.receive(sender.source, await context.intake.read(len(body), work), received_at)
        return Response(_SUCCESS, media_type="application/json")

    return receive_call


def _events(call: str, document: Mapping[str, Any], delivery: items.Delivery) -> list[LiveItem]:
    if call in SINGLE_CALLS:
        return items.single(call, document, delivery)
    return items.batch(document, delivery, is_import=call == "import")


def _add_call(call: str) -> None:
    """Add the routes of a call: with and without a trailing slash, and under its first letter for analytics.js."""
    max_bytes = MAX_IMPORT_BYTES if call == "import" else MAX_BYTES
    letters = () if call == "import" else (call[0],)
    for path in (f"/v1/{name}{slash}" for name in (call, *letters) for slash in ("", "/")):
        router.add_api_route(
            path,
            _endpoint(call, max_bytes),
            methods=["POST"],
            name=call,
            summary=_SUMMARIES[call],
            description=_DESCRIPTIONS[call],
            response_model=Success,
            responses=problems(400, 401, 403, 413, 429, 503),
            openapi_extra=_documented(
                _CALL_EXAMPLE if call in SINGLE_CALLS else {"batch": [{"type": "track", **_CALL_EXAMPLE}]}
            ),
            include_in_schema=path == f"/v1/{call}",
            route_class_override=bounded(max_bytes),
        )


for call in _SUMMARIES:
    _add_call(call)


router.add_api_route(
    "/beacon/v1/batch",
    _endpoint("batch", MAX_BYTES),
    methods=["POST"],
    name="beacon",
    include_in_schema=False,
    response_model=Success,
    route_class_override=bounded(MAX_BYTES),
)
