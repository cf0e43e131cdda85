"""Providers' webhooks. Verification and parsing are defined in the source's own file."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from anyio import to_thread
from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import BaseModel
from starlette.responses import JSONResponse, PlainTextResponse, Response

from api.context import Context, ContextOf
from api.errors import ApiError, Unauthorised, problems
from api.security.body_limit import bounded
from cdp.live import LiveItem
from cdp.webhooks import Refused, Request, UnusableSecret, Webhook

# The largest provider payloads are Meta's, up to 3 MB.
MAX_BYTES = 4 * 1024 * 1024

router = APIRouter(tags=["webhooks"], route_class=bounded(MAX_BYTES))

_DESCRIBED = {"description": "Request body in the provider's format"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _DESCRIBED,
                "example": [{"event": "delivered", "email": "ann@example.com", "timestamp": 1782907200}],
            },
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", **_DESCRIBED},
                "example": {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+14155550100"},
            },
        },
    }
}
_CHALLENGE = [
    {"name": f"hub.{name}", "in": "query", "required": False, "schema": {"type": "string"}}
    for name in ("mode", "verify_token", "challenge")
]


class WebhookRefused(Unauthorised):
    """The request is not authenticated as the provider's."""

    code = Refused.code


class WebhookNotConfigured(ApiError):
    """No secret is configured, so nothing is accepted."""

    http_status = 503
    code = UnusableSecret.code


class Received(BaseModel):
    """The outcome of a request's items.

    Rejected items are counted among the accepted ones and kept with the reason: sending them again would not help.
    """

    accepted: int
    duplicates: int
    rejected: int


@router.post(
    "/webhooks/{source}",
    summary="Receive a webhook",
    response_model=Received,
    responses={204: {"description": "Response to Twilio's status callbacks"}, **problems(400, 401, 404, 413, 429, 503)},
    openapi_extra=_BODY,
)
async def receive_webhook(source: str, request: HttpRequest, context: ContextOf) -> Response:
    """Receive a provider's webhook. The signature is verified over the unchanged bytes of the body."""
    webhook = context.webhooks.webhook_of(source)
    received = Request(await request.body(), dict(request.headers), _public_url(request, context))
    now = context.clock()
    items = await context.intake.run(len(received.body), partial(_opened, context, webhook, received, now))
    receipt = await context.intake.receive(source, items, now, format=source)
    if webhook.is_single_use and receipt.duplicates:
        has_received = partial(context.receiver.has_received, source)
        if not await to_thread.run_sync(lambda: all(map(has_received, items))):
            raise _problem(Refused("the token has already been used for another body"), webhook)
    request.state.client_id = f"webhook:{source}"
    answer = webhook.answer(received)
    if answer:
        return Response(answer.body or None, answer.status, media_type=answer.media_type)
    return JSONResponse(
        Received(accepted=receipt.accepted, duplicates=receipt.duplicates, rejected=len(receipt.rejected)).model_dump()
    )


@router.get(
    "/webhooks/{source}",
    summary="Answer a webhook challenge",
    response_class=PlainTextResponse,
    responses=problems(401, 404, 503),
    openapi_extra={"parameters": _CHALLENGE},
)
async def answer_challenge(source: str, request: HttpRequest, context: ContextOf) -> Response:
    """Echo the challenge by which a provider (Meta) verifies the URL."""
    webhook = context.webhooks.webhook_of(source)
    try:
        return PlainTextResponse(context.webhooks.answer_challenge(webhook, request.query_params))
    except (Refused, UnusableSecret) as error:
        raise _problem(error, webhook) from None


def _opened(context: Context, webhook: Webhook, request: Request, now: datetime) -> list[LiveItem]:
    """The items of an authentic request."""
    try:
        return [LiveItem(*item) for item in context.webhooks.open(webhook, request, now)]
    except (Refused, UnusableSecret) as error:
        raise _problem(error, webhook) from None


def _problem(error: Refused | UnusableSecret, webhook: Webhook) -> ApiError:
    if isinstance(error, UnusableSecret):
        return WebhookNotConfigured(error.line())
    return WebhookRefused(error.line(), headers={"WWW-Authenticate": f'{webhook.auth_scheme} realm="cdp"'})


def _public_url(request: HttpRequest, context: Context) -> str:
    """The URL that the provider called: a proxy may have changed scheme, host and port."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{context.settings.public_url.rstrip('/')}{request.url.path}{query}"
