"""Decisions: whether, on which channel and when to send a message to a person, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.context import Context, ContextOf, context_of
from api.decision.schemas import (
    AnyRequest,
    DecisionBatch,
    DecisionList,
    DecisionRequest,
    DecisionView,
    LoggedDecisionView,
    OutcomeReport,
)
from api.errors import problems
from api.idempotency import PARAMETER, REPLAYED, key_of
from api.responses import answer
from api.security.auth import DecisionReader
from api.security.body_limit import bounded
from cdp.decision import Decision
from cdp.decision.log import Logged, logged, report_outcome
from cdp.decision.unsubscribing import link_for

DryRun = Annotated[bool, Query(description="Decide without logging: nothing counts against caps")]
DecisionId = Annotated[str, Path(description="Id of a decision", pattern=r"^dec_[0-9A-HJKMNP-TV-Z]{26}$")]

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=bounded(4_000_000))


@router.post(
    "",
    summary="Request decisions",
    response_model=DecisionView | DecisionList | list[DecisionView],
    responses=problems(400, 401, 403, 413, 422, 429, 503),
    openapi_extra=PARAMETER,
)
async def decide(caller: DecisionReader, asked: AnyRequest, request: HttpRequest, dry_run: DryRun = False) -> Response:
    """Decide for one person, or for up to 1,000: a list returns a list, `requests` returns `decisions`.

    Every decision is logged with the facts that it is based on. An unknown person gets `allowed: false`. Everything
    recorded before the request, such as an opt-out, is taken into account.
    """
    context, requests = context_of(request), _requests(asked)
    if dry_run:
        rehearsed = await run_in_threadpool(context.decisions.rehearse, requests)
        return answer(_in_the_shape_of(asked, [one | _NOT_LOGGED for one in _views(context, requests, rehearsed)]))
    answers = await context.decisions.ask(caller.client_id, requests, key_of(request))
    if not answers.is_repeat:
        for decision in answers.answers:
            context.metrics.decision(allowed=decision.allowed, channel=decision.channel)
    views = _views(context, requests, answers.answers)
    return answer(_in_the_shape_of(asked, views), REPLAYED if answers.is_repeat else {})


@router.get(
    "/{decision_id}",
    summary="Read a decision",
    response_model=LoggedDecisionView,
    responses=problems(401, 403, 404, 422, 429, 503),
)
async def read_decision(_caller: DecisionReader, decision_id: DecisionId, context: ContextOf) -> Response:
    """Read a decision as it was made, and what was reported of its message. The address is the person's own of now."""
    [found] = await context.read(lambda connection: logged(connection, [decision_id]))
    return answer(_view_of_logged(context, found))


@router.post(
    "/{decision_id}/outcome",
    summary="Report what became of a message",
    response_model=LoggedDecisionView,
    responses=problems(400, 401, 403, 404, 409, 422, 429, 503),
)
async def report_outcome_of_decision(
    caller: DecisionReader, decision_id: DecisionId, body: OutcomeReport, context: ContextOf
) -> Response:
    """Report that the message of a decision was sent, or was not: then it no longer counts against frequency caps.

    Only the client that asked for the decision may report. A report may be repeated; `sent` cannot be taken back.
    """

    def write() -> Logged:
        with context.store.write() as connection:
            return report_outcome(connection, decision_id, caller.client_id, body.outcome, context.clock())

    return answer(_view_of_logged(context, await run_in_threadpool(write)))


_NOT_LOGGED = {"decision_id": None}


def _view_of_logged(context: Context, found: Logged) -> dict[str, Any]:
    reported = {
        "purpose": found.purpose,
        "topic": found.topic,
        "outcome": found.outcome,
        "outcome_at": found.outcome_at,
    }
    return _view(context, found.decision, found.purpose, found.topic) | reported


def _views(
    context: Context, requests: Sequence[DecisionRequest], decisions: Sequence[Decision]
) -> list[dict[str, Any]]:
    pairs = zip(requests, decisions, strict=True)
    return [_view(context, decision, request.purpose, request.topic) for request, decision in pairs]


def _view(context: Context, decision: Decision, purpose: str, topic: str | None) -> dict[str, Any]:
    return {**vars(decision), "unsubscribe": _unsubscribe(context, decision, purpose, topic)}


def _unsubscribe(context: Context, decision: Decision, purpose: str, topic: str | None) -> dict[str, Any] | None:
    link = link_for(decision, purpose, topic, context.policy)
    return vars(context.unsubscribing.carried_by(link, decision.as_of)) if link else None


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
