"""Telegram: messages by a bot.

Format: https://core.telegram.org/bots/api#sendmessage; answers: https://core.telegram.org/bots/api#making-requests. The
API has no place for our id, and Telegram reports neither deliveries nor reads: the answer is all that is known, and a
message in doubt stays in doubt. A bot may write to everybody who has started it and has not blocked it. Telegram takes
some 30 messages a second of a bot (https://core.telegram.org/bots/faq#broadcasting-to-users): that is its `rate`.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import httpx

from cdp.delivery import Accepted, Dispatch, Outcome, Refused, Retry, Setting, Settings, Text
from cdp.delivery.http import HttpSender, json_of, outcome_of_status, retry_after, wait_of

# What the description of an error says of the chat, and our word for it: the bot cannot write there until its user
# starts it again.
_GONE = {
    "bot was blocked by the user": "blocked",
    "user is deactivated": "deactivated",
    "bot can't initiate conversation": "not_started",
    "chat not found": "chat_not_found",
}


def request(dispatch: Dispatch, settings: Settings, _now: datetime) -> httpx.Request:
    """The request for a message. Telegram wants the token in the path."""
    content = dispatch.content
    assert isinstance(content, Text)
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/bot{settings['token']}/sendMessage",
        json={"chat_id": int(dispatch.address), "text": content.text},
    )


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    answer = json_of(response)
    if response.is_success:
        return Accepted(_id_in(answer.get("result")))
    if response.status_code == 429:
        return Retry("http_429", _wait_in(answer.get("parameters")) or retry_after(response))
    description = str(answer.get("description", ""))
    gone = next((name for words, name in _GONE.items() if words in description), None)
    if gone and response.status_code in (400, 403):
        return Refused(f"http_{response.status_code}_{gone}", is_address_gone=True)
    return outcome_of_status(response)


def _id_in(message: Any) -> str | None:
    """The id of a message, as the source makes it of an answer to the message."""
    match message:
        case {"message_id": int(number), "chat": {"id": int(chat)}}:
            return hashlib.md5(f"{chat}:{number}".encode(), usedforsecurity=False).hexdigest()
    return None


def _wait_in(parameters: Any) -> timedelta | None:
    match parameters:
        case {"retry_after": int(seconds)} if seconds >= 0:
            return wait_of(seconds)
    return None


SENDER = HttpSender(
    channels=("telegram",),
    settings=(
        Setting("token", "the bot's token, as @BotFather tells it"),
        Setting("base_url", "the API", "https://api.telegram.org"),
    ),
    request=request,
    outcome=outcome,
)
