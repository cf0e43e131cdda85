"""Broadcasts: a message to everybody in a segment."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.context import Context, ContextOf
from api.errors import problems
from api.idempotency import PARAMETER, REPLAYED, key_of
from api.responses import answer
from api.schemas import Body, MessageData, Name, UtcTime, example
from api.security.auth import MessageReader, MessageSender
from api.security.body_limit import bounded
from cdp.errors import InputRefused
from cdp.idempotency import Once, hash_of
from cdp.ids import sortable_id
from cdp.segments.members import is_known
from cdp.sending.accepting import Wanted, asking, purpose_of, topic_of
from cdp.sending.broadcasts import (
    BROADCAST_STATES,
    Broadcast,
    all_broadcasts,
    broadcast_of,
    cancel_broadcast,
    pause,
    progress,
    resume,
    start_once,
)
from cdp.store import Connection

router = APIRouter(prefix="/v1/broadcasts", tags=["messages"], route_class=bounded(100_000))

BroadcastId = Annotated[str, Path(description="Id of a broadcast", pattern=r"^bct_[0-9A-HJKMNP-TV-Z]{26}$")]
_MOST_LISTED = 100
_EXAMPLE = {"segment": "loyal_customer", "template": "spring_sale", "rate": 6_000}


class BroadcastRequest(BaseModel):
    """Send a template to everybody in a segment, as the last run has published it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(_EXAMPLE))

    segment: Name
    template: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    purpose: Name | None = Field(None, description="Purpose defined by the policy; by default the template's")
    topic: Name | None = Field(None, description="Topic, for consent by topic; by default the template's")
    campaign: Name | None = Field(None, description="Campaign, which names the holdout; by default the broadcast's id")
    data: MessageData = Field({}, description="Values that the template needs")
    at: UtcTime | None = Field(None, description="Start; by default now")
    rate: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(None, description="Most messages a minute")
    holdout: float = Field(0, ge=0, lt=1, description="Share of the people who get nothing, to compare with")


class BroadcastView(Body):
    """A broadcast. progress: how many people are `waiting`, and messages by state."""

    broadcast_id: str
    state: Literal[BROADCAST_STATES]  # type: ignore[valid-type]
    segment: str
    template: str
    template_version: str
    purpose: str
    topic: str | None
    campaign: str
    rate: int | None
    holdout: float
    starts_at: datetime
    created_at: datetime
    changed_at: datetime
    progress: dict[str, int]


class BroadcastList(Body):
    """Broadcasts, the latest first."""

    broadcasts: list[BroadcastView]


@router.post(
    "",
    summary="Start a broadcast",
    status_code=202,
    response_model=BroadcastView,
    responses=problems(400, 401, 403, 413, 422, 429, 503),
    openapi_extra=PARAMETER,
)
async def start_broadcast(
    caller: MessageSender, asked: BroadcastRequest, request: Request, context: ContextOf
) -> Response:
    """Send a template to everybody in a segment, person by person: each is decided on, and gets it once."""
    key = key_of(request)
    if not await context.warehouse.ask(lambda warehouse: is_known(warehouse, asked.segment)):
        raise InputRefused("unknown segment", hint="`GET /v1/segments` lists them")
    broadcast = _broadcast(context, caller.client_id, asked)
    once = Once(caller.client_id, key, hash_of("broadcast", asked.model_dump_json())) if key else None

    def write() -> Response:
        with context.store.write() as connection:
            started, is_repeat = start_once(connection, broadcast, once)
            return answer({**_shown(started), "progress": _NOBODY_YET}, REPLAYED if is_repeat else {})

    response = await run_in_threadpool(write)
    response.status_code = 202
    return response


@router.get("", summary="List broadcasts", response_model=BroadcastList, responses=problems(401, 403, 422, 429, 503))
async def list_broadcasts(
    _caller: MessageReader, context: ContextOf, limit: Annotated[int, Query(ge=1, le=_MOST_LISTED)] = 20
) -> Response:
    """List broadcasts with their progress, the latest first."""

    def read(connection: Connection) -> list[dict[str, Any]]:
        return [_view(connection, one) for one in all_broadcasts(connection, limit)]

    return answer({"broadcasts": await context.read(read)})


@router.get(
    "/{broadcast_id}",
    summary="Read a broadcast",
    response_model=BroadcastView,
    responses=problems(401, 403, 404, 422, 429, 503),
)
async def read_broadcast(_caller: MessageReader, broadcast_id: BroadcastId, context: ContextOf) -> Response:
    """Read a broadcast and its progress."""
    return answer(await context.read(lambda connection: _view(connection, broadcast_of(connection, broadcast_id))))


_CHANGES = problems(401, 403, 404, 409, 422, 429, 503)


@router.post("/{broadcast_id}/pause", summary="Pause a broadcast", response_model=BroadcastView, responses=_CHANGES)
async def pause_broadcast(_caller: MessageSender, broadcast_id: BroadcastId, context: ContextOf) -> Response:
    """Hold a broadcast, and its messages that are queued. Pausing again changes nothing."""
    return await _changed(context, broadcast_id, pause)


@router.post("/{broadcast_id}/resume", summary="Resume a broadcast", response_model=BroadcastView, responses=_CHANGES)
async def resume_broadcast(_caller: MessageSender, broadcast_id: BroadcastId, context: ContextOf) -> Response:
    """Go on with a broadcast. Messages whose time has passed meanwhile expire."""
    return await _changed(context, broadcast_id, resume)


@router.post("/{broadcast_id}/cancel", summary="Cancel a broadcast", response_model=BroadcastView, responses=_CHANGES)
async def end_broadcast(_caller: MessageSender, broadcast_id: BroadcastId, context: ContextOf) -> Response:
    """End a broadcast: nobody else gets a message, and those that are queued are withdrawn."""
    return await _changed(context, broadcast_id, cancel_broadcast)


async def _changed(
    context: Context, broadcast_id: str, change: Callable[[Connection, str, datetime], Broadcast]
) -> Response:
    def write() -> dict[str, Any]:
        with context.store.write() as connection:
            return _view(connection, change(connection, broadcast_id, context.clock()))

    return answer(await run_in_threadpool(write))


def _broadcast(context: Context, client_id: str, asked: BroadcastRequest) -> Broadcast:
    """The broadcast, whose template, purpose and data are found in order before anybody is taken down."""
    tools, now = context.tools, context.clock()
    content = tools.library.require(asked.template)
    purpose, topic = purpose_of(content, asked.purpose), topic_of(content, asked.topic)
    wanted = Wanted(client_id, content, purpose, topic=topic, data=asked.data)
    asking(wanted, tools.library, tools.policy, tools.post.channels, now)
    broadcast_id = sortable_id("bct", now)
    return Broadcast(
        broadcast_id=broadcast_id,
        client_id=client_id,
        segment=asked.segment,
        template=content.name,
        template_version=content.version,
        purpose=purpose,
        topic=topic,
        campaign=asked.campaign or broadcast_id,
        data=json.dumps(asked.data, ensure_ascii=False) if asked.data else None,
        rate=asked.rate,
        holdout=asked.holdout,
        starts_at=max(now, asked.at or now),
        state="gathering",
        created_at=now,
        changed_at=now,
    )


_SHOWN = tuple(name for name in BroadcastView.model_fields if name != "progress")
_NOBODY_YET = {"waiting": 0}


def _shown(broadcast: Broadcast) -> dict[str, Any]:
    return {name: getattr(broadcast, name) for name in _SHOWN}


def _view(connection: Connection, broadcast: Broadcast) -> dict[str, Any]:
    return {**_shown(broadcast), "progress": progress(connection, broadcast.broadcast_id)}
