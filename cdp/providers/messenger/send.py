"""Messenger Platform (Meta): messages.

Format: https://developers.facebook.com/documentation/business-messaging/messenger-platform/send-messages. Our id
travels in `metadata`, which the echo of the message carries; deliveries name it by the id in the answer. Messages go
out only while the chat is open, as UPDATE, which is for what a company says unasked: message tags, for other times,
exclude promotion. Errors:
https://developers.facebook.com/documentation/business-messaging/messenger-platform/error-codes, where code and subcode
count and not the status.
"""

from __future__ import annotations

from datetime import datetime

import httpx

from cdp.delivery import Accepted, Dispatch, InDoubt, Outcome, Refused, Retry, Setting, Settings, Text
from cdp.delivery.http import HttpSender, json_of, outcome_of_status, retry_after, text_in

# Limits: of the app, the page and the business.
_LIMITS = frozenset({4, 32, 613, 80006})
# "Please retry your request later", "Temporary send message failure".
_OUTAGES = frozenset({2, 1200})
# The token or its rights; the page is restricted.
_ACCOUNTS_ERRORS = frozenset({3, 10, 190, *range(200, 300), 368})
# "Unknown error", also of messages that were sent.
_UNKNOWN = frozenset({1})
# What a code and a subcode mean that say more of the person than of us.
_NAMES = {
    (10, 2018278): "window_closed",
    (10, 2018065): "window_closed",
    (10, 2018108): "unavailable",
    (100, 2018001): "no_such_person",
    (200, 1545041): "unavailable",
}
# The person has blocked the page, or has left Facebook, or another reason, which it does not tell.
_UNAVAILABLE = 551


def request(dispatch: Dispatch, settings: Settings, _now: datetime) -> httpx.Request:
    """The request for a message."""
    content = dispatch.content
    assert isinstance(content, Text)
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/{settings['version']}/{settings['page_id']}/messages",
        headers={"Authorization": f"Bearer {settings['access_token']}"},
        json={
            "recipient": {"id": dispatch.address},
            "messaging_type": "UPDATE",
            "message": {"text": content.text, "metadata": dispatch.message_id},
        },
    )


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    answer = json_of(response)
    if response.is_success:
        return Accepted(text_in(answer, "message_id"))
    match answer.get("error"):
        case {"code": int(code), "error_subcode": int(subcode)}:
            return _outcome_of(response, code, subcode)
        case {"code": int(code)}:
            return _outcome_of(response, code, None)
    return outcome_of_status(response)


def _outcome_of(response: httpx.Response, code: int, subcode: int | None) -> Outcome:
    name = "unavailable" if code == _UNAVAILABLE else _NAMES.get((code, subcode or 0))
    error = "_".join(str(part) for part in (f"http_{response.status_code}", code, subcode, name) if part is not None)
    if name:
        return Refused(error, is_address_gone=name == "no_such_person")
    if code in _LIMITS | _OUTAGES | _ACCOUNTS_ERRORS:
        return Retry(error, retry_after(response))
    if code in _UNKNOWN:
        return InDoubt(error)
    return outcome_of_status(response, str(code))


SENDER = HttpSender(
    channels=("messenger",),
    settings=(
        Setting("access_token", "the page's access token, with the permission pages_messaging"),
        Setting("page_id", "the id of the page; by default the token's", "me"),
        Setting("version", "the version of the Graph API", "v23.0"),
        Setting("base_url", "the API", "https://graph.facebook.com"),
    ),
    request=request,
    outcome=outcome,
)
