"""The tracking API, compatible with Segment's, so that its SDKs and RudderStack's work unchanged.

https://www.twilio.com/docs/segment/connections/sources/catalog/libraries/server/http-api. A body is read as JSON with
any content type: browsers send text/plain. The response to success is always the same 200, because one SDK sends
events again after any other.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.context import Context, ContextOf
from api.errors import problems
from api.routing import SlashRoute
from api.security.auth import count_request
from api.security.body_limit import bounded
from api.segment_com import items
from api.segment_com.body import InvalidPayload, is_compressed, read_object
from api.segment_com.credentials import sender_by_header, sender_by_key
from cdp.live import LiveItem, Refusal

router = APIRouter(tags=["tracking"])

MAX_BYTES = 500 * 1024
MAX_IMPORT_BYTES = 4 * 1024 * 1024

# The source whose mapping reads the calls, whatever source they are landed under.
FORMAT = "segment"
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
_BY = {"by_analytics_js": " (path of analytics.js)", "by_beacon": " (path of RudderStack's beacons)"}
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


_OPEN_PATHS = re.compile(rf"/v1/({'|'.join(_SUMMARIES)}|[tipsgab])/?|/beacon/v1/batch/?")

Endpoint = Callable[[Request, Context, bool], Awaitable[Response]]
Strict = Annotated[
    bool,
    Query(
        description="For development: refuse the whole request if an event is invalid, and say which and why. "
        "Otherwise events are stored as they are, and invalid ones are among the rejects of the next run."
    ),
]


class Success(BaseModel):
    """All events are stored, now or by an earlier request."""

    success: Literal[True] = True


class InvalidEvents(InvalidPayload):
    """Events that a run would reject, in a request that wants to know at once."""

    code = "invalid_events"

    def __init__(self, refusals: Mapping[int, Refusal]) -> None:
        shown = [_in_words(position, refusal) for position, refusal in sorted(refusals.items())[:_MOST_TOLD]]
        further = [f"and {len(refusals) - _MOST_TOLD} more"] if len(refusals) > _MOST_TOLD else []
        super().__init__(f"Nothing was stored. {'; '.join(shown + further)}")


def _in_words(position: int, refusal: Refusal) -> str:
    return f"Event {position}: {refusal.reason}" + (f" ({refusal.detail})" if refusal.detail else "")


_MOST_TOLD = 20
_SUCCESS = '{"success": true}'


def is_open(path: str) -> bool:
    """Whether pages of any site may call this path (see `api.segment_com.cors`)."""
    return _OPEN_PATHS.fullmatch(path) is not None


def _endpoint(call: str, max_bytes: int) -> Endpoint:
    async def receive_call(request: Request, context: ContextOf, strict: Strict = False) -> Response:
        by_header = await sender_by_header(request, context)
        body = await request.body()
        received_at = context.clock()
        is_gzip = is_compressed(body)
        reading = partial(read_object, body, max_bytes)
        document = await context.intake.read(len(body), reading, is_compressed=is_gzip)
        key = request.query_params.get("writeKey", document.get("writeKey"))
        sender = by_header if by_header else await context.ask(lambda store: sender_by_key(store, key))
        request.state.client_id = sender.name
        if not sender.is_counted:
            count_request(request, sender.name)
        work = partial(_events, call, document, items.Delivery(received_at, sender.stamp))
        events = await context.intake.read(len(body), work, is_compressed=is_gzip)
        if strict:
            check = partial(context.receiver.refusals, sender.source, events, received_at, format=FORMAT)
            if refusals := await context.intake.run(len(body), check):
                raise InvalidEvents(refusals)
        await context.intake.receive(sender.source, events, received_at)
        return Response(_SUCCESS, media_type="application/json")

    return receive_call


def _events(call: str, document: Mapping[str, Any], delivery: items.Delivery) -> list[LiveItem]:
    if call in SINGLE_CALLS:
        return items.single(call, document, delivery)
    return items.batch(document, delivery, is_import=call == "import")


def _paths(call: str) -> Iterator[tuple[str, str]]:
    """The paths of a call, each with the name of its operation."""
    # A word that is reserved in some languages is no name for a function.
    yield f"/v1/{call}", "import_history" if call == "import" else call
    if call != "import":
        yield f"/v1/{call[0]}", f"{call}_by_analytics_js"
    if call == "batch":
        yield "/beacon/v1/batch", "batch_by_beacon"


def _add_call(call: str) -> None:
    max_bytes = MAX_IMPORT_BYTES if call == "import" else MAX_BYTES
    for path, name in _paths(call):
        router.add_api_route(
            path,
            _endpoint(call, max_bytes),
            methods=["POST"],
            name=name,
            summary=_SUMMARIES[call] + _BY.get(name.partition("_")[2], ""),
            description=_DESCRIPTIONS[call],
            response_model=Success,
            responses=problems(400, 401, 403, 413, 422, 429, 503),
            openapi_extra=_documented(
                _CALL_EXAMPLE if call in SINGLE_CALLS else {"batch": [{"type": "track", **_CALL_EXAMPLE}]}
            ),
            route_class_override=bounded(max_bytes, SlashRoute),
        )


for call in _SUMMARIES:
    _add_call(call)
