"""SendGrid's Mail Send API, v3.

Format: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send. Our id travels in `custom_args`, which
every event of the message carries; the events' `sg_message_id` only begins with the `X-Message-Id` of the answer.
"""

from __future__ import annotations

from datetime import datetime

import httpx

from cdp.delivery import Accepted, Dispatch, Email, Outcome, Setting, Settings
from cdp.delivery.http import HttpSender, outcome_of_status


def request(dispatch: Dispatch, settings: Settings, _now: datetime) -> httpx.Request:
    """The request for an e-mail."""
    content = dispatch.content
    assert isinstance(content, Email)
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/v3/mail/send",
        headers={"Authorization": f"Bearer {settings['api_key']}"},
        json={
            "personalizations": [
                {"to": [{"email": dispatch.address}], "custom_args": {"message_id": dispatch.message_id}}
            ],
            "from": {"email": settings["from_address"], "name": dispatch.sender},
            "subject": content.subject,
            "content": [
                {"type": "text/plain", "value": content.text},
                {"type": "text/html", "value": content.html},
            ],
            "headers": dict(content.headers),
        },
    )


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    if response.status_code == httpx.codes.ACCEPTED:
        return Accepted(response.headers.get("X-Message-Id"))
    return outcome_of_status(response)


SENDER = HttpSender(
    channels=("email",),
    settings=(
        Setting("api_key", "an API key with the right to send mail"),
        Setting("from_address", "the address that mails come from"),
        Setting("base_url", "the API, which the EU has its own of", "https://api.sendgrid.com"),
    ),
    request=request,
    outcome=outcome,
)
