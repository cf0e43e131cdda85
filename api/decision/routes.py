"""Decisions: whether, on which channel and when to send a message to a person, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import Response

from api.context import Context, context_of
from api.decision.schemas import AnyRequest, DecisionBatch, DecisionList, DecisionRequest, DecisionView
from api.errors import problems
from api.responses import answer
from api.security.auth import DecisionReader
from api.security.body_limit import bounded
from cdp.decision import Decision
from cdp.decision.unsubscribing import link_for

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=bounded(4_000_000))


@router.post(
    "",
    summary="Request decisions",
    response_model=DecisionView | DecisionList | list[DecisionView],
    responses=problems(400, 401, 403, 413, 422, 429, 503),
)
async def decide(caller: DecisionReader, asked: AnyRequest, request: HttpRequest) -> Response:
    """Decide for one person, or for up to 1,000: a list returns a list, `requests` returns `decisions`.

    Every decision is logged with the facts that it is based on. An unknown person gets `allowed: false`. Everything
    recorded before the request, such as an opt-out, is taken into account.
    """
    context, requests = context_of(request), _requests(asked)
    decisions = await context.decisions.ask(caller.client_id, requests)
    for decision in decisions:
        context.metrics.decision(allowed=decision.allowed, channel=decision.channel)
    answers = [_view(context, *pair) for pair in zip(requests, decisions, strict=True)]
    return answer(_in_the_shape_of(asked, answers))


def _view(context: Context, request: DecisionRequest, decision: Decision) -> dict[str, Any]:
    return {**vars(decision), "unsubscribe": _unsubscribe(context, request, decision)}


def _unsubscribe(context: Context, request: DecisionRequest, decision: Decision) -> dict[str, Any] | None:
    link = link_for(decision, request.purpose, request.topic, context.policy)
    return vars(context.unsubscribing.carried_by(link)) if link else None


def _requests(asked: DecisionRequest | DecisionBatch | list[DecisionRequest]) -> list[DecisionRequest]:
    match asked:
        case DecisionRequest():
            return [asked]
        case DecisionBatch():
            return asked.requests
        case _:
            return asked


def _in_the_shape_of(asked: object, decisions: Sequence[dict[str, Any]]) -> Any:
    match asked:
        case DecisionRequest():
            return decisions[0]
        case DecisionBatch():
            return {"decisions": decisions}
        case _:
            return decisions
