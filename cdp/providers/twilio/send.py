"""Twilio's Programmable Messaging API: SMS.

Format: https://www.twilio.com/docs/messaging/api/message-resource. Twilio has no field for an id of ours, so it travels
in the URL of the status callback, whose query is signed as well. Errors: https://www.twilio.com/docs/api/errors.
"""

from __future__ import annotations

from datetime import datetime

import httpx

from cdp.delivery import Accepted, Dispatch, Outcome, Retry, Setting, Settings, Text
from cdp.delivery.http import HttpSender, basic_auth, json_of, outcome_of_status, text_in
from cdp.providers.twilio.webhook import MESSAGE_ID

# The longest time that Twilio keeps a message in its queue.
_MAX_VALIDITY_SECONDS = 36_000
# Errors of status 400 that are about the account: a country that is not enabled, a sender that is not its own or does
# not reach the number, a messaging service without senders.
_ACCOUNTS_ERRORS = frozenset({21408, 21603, 21606, 21612, 21659, 21660, 21703, 21704})


def request(dispatch: Dispatch, settings: Settings, now: datetime) -> httpx.Request:
    """The request for a text message."""
    content = dispatch.content
    assert isinstance(content, Text)
    sender = settings["sender_id"]
    seconds = int((dispatch.expires_at - now).total_seconds())
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/2010-04-01/Accounts/{settings['account_sid']}/Messages.json",
        headers={"Authorization": basic_auth(settings["account_sid"], settings["auth_token"])},
        data={
            "To": dispatch.address,
            "MessagingServiceSid" if sender.startswith("MG") and len(sender) == 34 else "From": sender,
            "Body": content.text,
            "StatusCallback": str(httpx.URL(dispatch.callback_url).copy_set_param(MESSAGE_ID, dispatch.message_id)),
            "ValidityPeriod": str(max(1, min(seconds, _MAX_VALIDITY_SECONDS))),
        },
    )


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    answer = json_of(response)
    if response.status_code == httpx.codes.CREATED:
        return Accepted(text_in(answer, "sid"))
    code = answer.get("code")
    if not isinstance(code, int):
        return outcome_of_status(response)
    if code in _ACCOUNTS_ERRORS:
        return Retry(f"http_{response.status_code}_{code}")
    return outcome_of_status(response, str(code))


SENDER = HttpSender(
    channels=("sms",),
    settings=(
        Setting("account_sid", "the account's SID, AC…"),
        Setting("auth_token", "the account's auth token"),
        Setting("sender_id", "the number or name that messages come from, or the SID of a messaging service, MG…"),
        Setting("base_url", "the API", "https://api.twilio.com"),
    ),
    request=request,
    outcome=outcome,
)
