"""Mailgun's Messages API, v3.

Format: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages/post-v3--domain-name--messages;
errors: https://documentation.mailgun.com/docs/mailgun/quickstart-guide/responses. Our id travels in `v:message_id`,
which every event of the message carries as a user variable.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import formataddr

import httpx

from cdp.delivery import Accepted, Dispatch, Email, Outcome, Setting, Settings
from cdp.delivery.http import HttpSender, basic_auth, json_of, outcome_of_status, text_in


def request(dispatch: Dispatch, settings: Settings, _now: datetime) -> httpx.Request:
    """The request for an e-mail."""
    content = dispatch.content
    assert isinstance(content, Email)
    return httpx.Request(
        "POST",
        f"{settings['base_url']}/v3/{settings['domain']}/messages",
        headers={"Authorization": basic_auth("api", settings["api_key"])},
        data={
            "from": formataddr((dispatch.sender, settings["from_address"])),
            "to": dispatch.address,
            "subject": content.subject,
            "text": content.text,
            "html": content.html,
            "v:message_id": dispatch.message_id,
            **{f"h:{name}": value for name, value in content.headers.items()},
        },
    )


def outcome(response: httpx.Response) -> Outcome:
    """What an answer says of the message."""
    if response.status_code == httpx.codes.OK:
        provider_id = text_in(json_of(response), "id")
        # The answer has the id in angle brackets, the events have it without.
        return Accepted(provider_id.strip("<>") if provider_id is not None else None)
    return outcome_of_status(response)


SENDER = HttpSender(
    channels=("email",),
    settings=(
        Setting("api_key", "the sending key of the domain, or an API key of the account"),
        Setting("domain", "the sending domain, as Mailgun has it"),
        Setting("from_address", "the address that mails come from"),
        Setting(
            "base_url",
            "the API; that of the EU, https://api.eu.mailgun.net, for domains registered there",
            "https://api.mailgun.net",
        ),
    ),
    request=request,
    outcome=outcome,
)
