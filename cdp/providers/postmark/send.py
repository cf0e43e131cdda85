"""Postmark's Email API.

Format: https://postmarkapp.com/developer/api/email-api#send-a-single-email; errors:
https://postmarkapp.com/developer/api/overview#error-codes. Our id travels in `Metadata`, which every webhook of the
message carries. What is wrong with the message and what is wrong with the account have the same status, 422; only the
code tells them apart.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import formataddr

import httpx

from cdp.delivery import Accepted, Dispatch, Email, InDoubt, Outcome, Refused, Retry, Setting, Settings
from cdp.delivery.http import HttpSender, json_of, outcome_of_status, text_in

# The recipient bounced, complained or was suppressed by the sender; Postmark sends it nothing more.
_INACTIVE_RECIPIENT = 406
# A field is invalid; the JSON is invalid, or is not that of an e-mail.
_WRONG_MESSAGES = (300, 402, 403)


def request(dispatch: Dispatch, settings: Settings, _now: datetime) -> httpx.Request:
    """The request for an e-mail."""
    content = dispatch.content
    assert isinstance(content, Email)
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/email",
        headers={"Accept": "application/json", "X-Postmark-Server-Token": settings["server_token"]},
        json={
            "From": formataddr((dispatch.sender, settings["from_address"])),
            "To": dispatch.address,
            "Subject": content.subject,
            "TextBody": content.text,
            "HtmlBody": content.html,
            "Headers": [{"Name": name, "Value": value} for name, value in content.headers.items()],
            "Metadata": {"message_id": dispatch.message_id},
            "MessageStream": settings["message_stream"],
        },
    )


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    answer = json_of(response)
    code = answer.get("ErrorCode")
    if response.status_code == httpx.codes.OK:
        if code != 0:
            return InDoubt("unreadable_answer")
        return Accepted(text_in(answer, "MessageID"))
    if response.status_code != httpx.codes.UNPROCESSABLE_ENTITY or not isinstance(code, int):
        return outcome_of_status(response)
    error = f"http_422_{code}"
    if code == _INACTIVE_RECIPIENT:
        return Refused(error, is_address_gone=True)
    return Refused(error) if code in _WRONG_MESSAGES else Retry(error)


SENDER = HttpSender(
    channels=("email",),
    settings=(
        Setting("server_token", "the API token of the server"),
        Setting("from_address", "the address that mails come from: a confirmed sender signature or domain"),
        Setting("message_stream", "the message stream that mails belong to", "outbound"),
        Setting("base_url", "the API", "https://api.postmarkapp.com"),
    ),
    request=request,
    outcome=outcome,
)
