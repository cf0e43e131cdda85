"""Vonage's Messages API, v1: SMS.

Format: https://developer.vonage.com/en/api/messages. Our id travels in `client_ref`, which every status of the message
carries. With an API key instead of an application, statuses go to the URL in the request. Errors:
https://developer.vonage.com/en/api-errors/messages, whose numbers are the fragments of the URLs in `type`.
"""

from __future__ import annotations

import re
from datetime import datetime

import httpx

from cdp.delivery import Accepted, Dispatch, Outcome, Retry, Setting, Settings, Text
from cdp.delivery.http import HttpSender, basic_auth, json_of, outcome_of_status, retry_after, text_in

# How long Vonage tries to deliver a message, in seconds.
_SHORTEST, _LONGEST = 300, 259_200
# Errors that are about the account: its limits, its credit, a feature or a destination that is not enabled, its sender.
_ACCOUNTS_ERRORS = frozenset({"1000", "1060", "1070", "1080", "1120", "1140", "1160", "1241", "1420", "1460"})
_ERROR = re.compile(r"https://.*#([0-9]{4})")


def request(dispatch: Dispatch, settings: Settings, now: datetime) -> httpx.Request:
    """The request for a text message."""
    content = dispatch.content
    assert isinstance(content, Text)
    seconds = int((dispatch.expires_at - now).total_seconds())
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/v1/messages",
        headers={"Authorization": basic_auth(settings["api_key"], settings["api_secret"])},
        json={
            "channel": "sms",
            "message_type": "text",
            # Vonage writes numbers without the plus sign.
            "to": dispatch.address.removeprefix("+"),
            "from": settings["sender_id"].removeprefix("+"),
            "text": content.text,
            "ttl": max(_SHORTEST, min(seconds, _LONGEST)),
            "client_ref": dispatch.message_id,
            "webhook_url": dispatch.callback_url,
            "webhook_version": "v1",
        },
    )


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    answer = json_of(response)
    if response.status_code == httpx.codes.ACCEPTED:
        return Accepted(text_in(answer, "message_uuid"))
    named = _ERROR.fullmatch(str(answer.get("type")))
    code = named[1] if named else None
    if response.status_code == httpx.codes.PAYMENT_REQUIRED or code in _ACCOUNTS_ERRORS:
        return Retry(f"http_{response.status_code}" + (f"_{code}" if code else ""), retry_after(response))
    return outcome_of_status(response, code)


SENDER = HttpSender(
    channels=("sms",),
    settings=(
        Setting("api_key", "the account's API key"),
        Setting("api_secret", "the account's API secret"),
        Setting("sender_id", "the number or name that messages come from"),
        Setting("base_url", "the API, which regions have their own of", "https://api.nexmo.com"),
    ),
    request=request,
    outcome=outcome,
)
