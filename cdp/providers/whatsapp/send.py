"""WhatsApp Cloud API (Meta): messages.

Format: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages. Our id travels in
`biz_opaque_callback_data`, which every status of the message carries. Errors:
https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes, where the code counts and not the status.
Many are not answered but come as the status `failed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from cdp.delivery import (
    Accepted,
    ChatTemplate,
    Content,
    Dispatch,
    InDoubt,
    Outcome,
    Refused,
    Retry,
    Setting,
    Settings,
    Text,
)
from cdp.delivery.http import HttpSender, json_of, outcome_of_status, retry_after

# Limits: of the app, of the account, of the number's throughput and reputation, and of messages to one person.
_LIMITS = frozenset({4, 80007, 130429, 131048, 131056})
# The service or the account is being maintained.
_OUTAGES = frozenset({2, 131016, 131057, 133004})
# The token or its rights; the account is blocked, locked, restricted or has not paid; the number is not registered.
_ACCOUNTS_ERRORS = frozenset({0, 3, 10, 33, 190, *range(200, 300), 368, 130497, 131005, 131031, 131042, 131045, 133010})
# "Unknown error": nothing is said of the message.
_UNKNOWN = frozenset({1, 131000})
# The template does not exist, is paused, or has other placeholders.
_TEMPLATES = range(132_000, 133_000)
# What a code means that says more of the person than of the message.
_NAMES = {131026: "undeliverable", 131047: "window_closed", 131050: "stopped"}


def request(dispatch: Dispatch, settings: Settings, _now: datetime) -> httpx.Request:
    """The request for a message."""
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/{settings['version']}/{settings['phone_number_id']}/messages",
        headers={"Authorization": f"Bearer {settings['access_token']}"},
        json={
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": dispatch.address,
            "biz_opaque_callback_data": dispatch.message_id,
            **_written(dispatch.content),
        },
    )


def _written(content: Content) -> Mapping[str, Any]:
    if isinstance(content, ChatTemplate):
        values = [{"type": "text", "text": value} for value in content.values]
        components = [{"type": "body", "parameters": values}] if values else []
        template = {"name": content.name, "language": {"code": content.language}, "components": components}
        return {"type": "template", "template": template}
    assert isinstance(content, Text)
    return {"type": "text", "text": {"body": content.text, "preview_url": True}}


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    answer = json_of(response)
    if response.is_success:
        return Accepted(_id_in(answer))
    told = answer.get("error")
    code = told.get("code") if isinstance(told, dict) else None
    if not isinstance(code, int):
        return outcome_of_status(response)
    error = "_".join(filter(None, (f"http_{response.status_code}", str(code), _NAMES.get(code))))
    if code in _LIMITS | _OUTAGES | _ACCOUNTS_ERRORS:
        return Retry(error, retry_after(response))
    if code in _UNKNOWN:
        return InDoubt(error)
    if code in _NAMES or code in _TEMPLATES:
        return Refused(error)
    return outcome_of_status(response, str(code))


def _id_in(answer: Mapping[str, Any]) -> str | None:
    match answer.get("messages"):
        case [{"id": str(found)}, *_]:
            return found
    return None


SENDER = HttpSender(
    channels=("whatsapp",),
    settings=(
        Setting("access_token", "a system user's token with the right to send messages"),
        Setting("phone_number_id", "the id of the number that messages come from"),
        Setting("version", "the version of the Graph API", "v23.0"),
        Setting("base_url", "the API", "https://graph.facebook.com"),
    ),
    request=request,
    outcome=outcome,
)
