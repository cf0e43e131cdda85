"""Vonage: https://developer.vonage.com/en/api/messages."""

from __future__ import annotations

import base64

from tests.delivery.fakes import Called, Reply, Taken

KEY, SECRET = "key-of-the-fake", "secret-of-the-fake"
NO_CREDIT = "+41790000402"


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    if called.header("Authorization") != f"Basic {base64.b64encode(f'{KEY}:{SECRET}'.encode()).decode()}":
        return _error(
            401, "https://developer.nexmo.com/api-errors#unauthorized", "You did not provide correct ..."
        ), None
    assert (called.method, called.path) == ("POST", "/v1/messages"), called.path
    message = called.json
    assert (message["channel"], message["message_type"]) == ("sms", "text")
    to = message["to"]
    if not to.isdecimal():
        return _error(422, _numbered(1170), f"The `to` parameter {to} is invalid."), None
    if f"+{to}" == NO_CREDIT:
        return _error(402, "https://developer.nexmo.com/api-errors#low-balance", "Low balance"), None
    if not message["from"].isalnum():
        return _error(422, _numbered(1120), "The `from` parameter is invalid for the given channel."), None
    assert 0 < len(message["text"]) <= 1000
    assert 0 < len(message["client_ref"]) <= 100
    assert message["ttl"] > 0
    assert (message["webhook_url"][:8], message["webhook_version"]) == ("https://", "v1")
    return (
        Reply(202, {"message_uuid": f"uuid-of-{message['client_ref']}"}),
        Taken("vonage", message["client_ref"], f"+{to}", message),
    )


def _numbered(code: int) -> str:
    return f"https://developer.nexmo.com/api-errors/messages-olympus#{code}"


def _error(status: int, kind: str, detail: str) -> Reply:
    return Reply(status, {"type": kind, "title": "Error", "detail": detail, "instance": "bf0ca0bf927b3b52e3cb03217e1a"})
