"""Messages: one message, whatever the channel, sent once and tracked to its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.context import Context, ContextOf, context_of
from api.cursors import Cursors
from api.errors import problems
from api.idempotency import PARAMETER, REPLAYED, key_of
from api.responses import answer
from api.schemas import Name
from api.security.auth import MessageReader, MessageSender
from api.security.body_limit import bounded
from api.security.tokens import Caller
from api.sending.previews import preview_views
from api.sending.schemas import (
    MessageBatch,
    MessageList,
    MessageRequest,
    MessageView,
    RehearsalView,
    SentMessage,
    SentMessages,
    StateName,
)
from api.sending.service import Invalid, Outcome
from cdp.decision import Decision
from cdp.people.reading import read_people
from cdp.sending.messages import Message
from cdp.sending.overview import Filter, Tracked, list_messages, tracked, with_history
from cdp.sending.planning import plan_of
from cdp.sending.withdrawing import cancel
from cdp.store import Connection

DryRun = Annotated[bool, Query(description="Decide and render without writing anything")]
MessageId = Annotated[str, Path(description="Id of a message", pattern=r"^msg_[0-9A-HJKMNP-TV-Z]{26}$")]

router = APIRouter(prefix="/v1/messages", tags=["messages"], route_class=bounded(8_000_000))

_CURSORS: Cursors[tuple[datetime, str]] = Cursors(tuple[datetime, str])


@router.post(
    "",
    summary="Send a message",
    status_code=202,
    response_model=SentMessage,
    responses=problems(400, 401, 403, 413, 422, 429, 503)
    | {200: {"model": SentMessage | RehearsalView, "description": "Refused by a gate; or what a dry run found"}},
    openapi_extra=PARAMETER,
)
async def send_message(
    caller: MessageSender, asked: MessageRequest, request: HttpRequest, dry_run: DryRun = False
) -> Response:
    """Send a message to one person: on the best channel they allow, once, not before its time.

    Decision, offer and message are written together. 202: it is queued. 200: a gate refused it, and the reasons say
    which. A dry run shows the message as this person would see it only to those who may read profiles.
    """
    context = context_of(request)
    if dry_run:
        return answer(await run_in_threadpool(_rehearsal, context, caller, asked))
    sent = await context.messages.send(caller.client_id, [asked], key_of(request), "send")
    [outcome] = sent.answers
    if isinstance(outcome, Invalid):
        raise outcome.error()
    if not sent.is_repeat:
        context.metrics.decision(allowed=outcome.decision.allowed, channel=outcome.decision.channel)
    status = 200 if outcome.message.state == "refused" else 202
    response = answer(_sent(outcome.message, outcome.decision), REPLAYED if sent.is_repeat else {})
    response.status_code = status
    return response


@router.post(
    "/batch",
    summary="Send messages",
    status_code=202,
    response_model=SentMessages,
    responses=problems(400, 401, 403, 413, 422, 429, 503),
    openapi_extra=PARAMETER,
)
async def send_messages(caller: MessageSender, batch: MessageBatch, request: HttpRequest) -> Response:
    """Send up to 1,000 messages, each with an outcome of its own: what is wrong with one leaves the others alone."""
    context = context_of(request)
    sent = await context.messages.send(caller.client_id, batch.messages, key_of(request), "send batch")
    body = {"messages": [_outcome(one, index) for index, one in enumerate(sent.answers)]}
    response = answer(body, REPLAYED if sent.is_repeat else {})
    response.status_code = 202
    return response


@router.get(
    "/{message_id}",
    summary="Read a message",
    response_model=MessageView,
    responses=problems(401, 403, 404, 422, 429, 503),
)
async def read_message(_caller: MessageReader, message_id: MessageId, context: ContextOf) -> Response:
    """Read a message: its state, each call of a provider, each report, and its fallbacks. It has no address."""
    found = await context.read(lambda connection: tracked(connection, message_id))
    return answer(_view(found))


@router.get(
    "",
    summary="List messages",
    response_model=MessageList,
    responses=problems(400, 401, 403, 422, 429, 503),
)
async def list_all_messages(
    _caller: MessageReader,
    context: ContextOf,
    campaign: Annotated[Name | None, Query()] = None,
    profile_id: Annotated[Name | None, Query()] = None,
    state: Annotated[StateName | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> Response:
    """List messages, the latest first: of a campaign, of a person under all ids that they have had, in a state."""
    before = _CURSORS.position(cursor) if cursor else None

    def read(connection: Connection) -> list[Tracked]:
        ids = _all_ids(connection, profile_id) if profile_id else ()
        wanted = Filter(campaign, ids, state, before=before)
        return with_history(connection, list_messages(connection, wanted, limit))

    found = await context.read(read)
    last = found[-1].message if len(found) == limit else None
    following = _CURSORS.text((last.created_at, last.message_id)) if last else None
    return answer({"messages": [_view(one) for one in found], "next": following})


@router.post(
    "/{message_id}/cancel",
    summary="Cancel a message",
    response_model=MessageView,
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)
async def cancel_message(caller: MessageSender, message_id: MessageId, context: ContextOf) -> Response:
    """Cancel a message of yours that waits; once it is being sent, it is refused. Cancelling twice changes nothing."""

    def write() -> Tracked:
        with context.store.write() as connection:
            cancel(connection, message_id, caller.client_id, context.clock())
            return tracked(connection, message_id)

    return answer(_view(await run_in_threadpool(write)))


def _all_ids(connection: Connection, profile_id: str) -> tuple[str, ...]:
    person = read_people(connection, {profile_id}).get(profile_id)
    return tuple(person.all_ids) if person else (profile_id,)


def _rehearsal(context: Context, caller: Caller, asked: MessageRequest) -> dict[str, Any]:
    asking, decision = context.messages.rehearse(caller.client_id, asked)
    return {
        "allowed": decision.allowed,
        "channel": decision.channel,
        "send_at": decision.send_at,
        "expires_at": decision.expires_at,
        "reasons": decision.reasons,
        "fallbacks": decision.fallbacks,
        "previews": preview_views(context, asking, decision, shows_person="profiles:read" in caller.scopes),
    }


def _outcome(outcome: Outcome, index: int) -> dict[str, Any]:
    if isinstance(outcome, Invalid):
        problem = {"code": outcome.code, "field": outcome.field, "message": outcome.what}
        return {"state": "invalid", "index": index, **problem}
    return _sent(outcome.message, outcome.decision)


def _sent(message: Message, decision: Decision) -> dict[str, Any]:
    return {
        **{name: getattr(message, name) for name in ("message_id", "state", "reason", "channel")},
        **{name: getattr(message, name) for name in ("send_at", "expires_at", "decision_id")},
        "reasons": decision.reasons,
        "fallbacks": plan_of(message),
    }


_MADE = ("offer", "fallback_id", "fallbacks", "attempts", "reports")
_SHOWN = tuple(name for name in MessageView.model_fields if name not in _MADE)


def _view(found: Tracked) -> dict[str, Any]:
    message = found.message
    return {
        **{name: getattr(message, name) for name in _SHOWN},
        "offer": json.loads(message.offer) if message.offer else None,
        "fallback_id": found.fallback_id,
        "fallbacks": plan_of(message),
        "attempts": [_without_id(asdict(one)) for one in found.attempts],
        "reports": [asdict(one) for one in found.reports],
    }


def _without_id(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attempt.items() if name != "message_id"}
