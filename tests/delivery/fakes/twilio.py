"""Twilio: https://www.twilio.com/docs/messaging/api/message-resource."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from tests.delivery.fakes import Called, Reply, Taken

ACCOUNT_SID = f"AC{'0' * 32}"
AUTH_TOKEN = "token-of-the-fake"
STOPPED, LANDLINE = "+41790000021", "+41440000014"

_ERRORS = {
    STOPPED: (21610, "Attempt to send to unsubscribed recipient"),
    LANDLINE: (21614, "'To' number is not a valid mobile number"),
}


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    credentials = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    if called.header("Authorization") != f"Basic {credentials}":
        return _error(401, 20003, "Authenticate"), None
    path = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    assert (called.method, called.path) == ("POST", path), called.path
    form = called.form
    if not form["To"].startswith("+"):
        return _error(400, 21211, f"The 'To' number {form['To']} is not a valid phone number."), None
    if form["To"] in _ERRORS:
        return _error(400, *_ERRORS[form["To"]]), None
    if form.get("From", "+")[:1] != "+":
        return _error(400, 21659, "'From' is not a Twilio phone number or short code country mismatch"), None
    assert ("From" in form) != ("MessagingServiceSid" in form)
    assert 0 < len(form["Body"]) <= 1600
    assert 1 <= int(form["ValidityPeriod"]) <= 36_000
    message_id = _message_id(form)
    return Reply(201, {"sid": f"SM-{message_id}", "status": "queued"}), Taken("twilio", message_id, form["To"], form)


def _message_id(form: Mapping[str, str]) -> str:
    [found] = parse_qs(urlsplit(form["StatusCallback"]).query)["message_id"]
    return found


def _error(status: int, code: int, message: str) -> Reply:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return Reply(status, {"code": code, "message": message, "more_info": more_info, "status": status})
