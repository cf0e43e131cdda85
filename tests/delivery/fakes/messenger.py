"""Messenger: https://developers.facebook.com/documentation/business-messaging/messenger-platform/send-messages."""

from __future__ import annotations

from tests.delivery.fakes import Called, Reply, Taken

TOKEN = "token-of-the-fake"
PAGE = "682498302938465"
VERSION = "v23.0"


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    if called.header("Authorization") != f"Bearer {TOKEN}":
        return error(400, 190, None, "Invalid OAuth access token."), None
    assert (called.method, called.path) == ("POST", f"/{VERSION}/{PAGE}/messages"), called.path
    sent = called.json
    assert sent.keys() == {"recipient", "messaging_type", "message"}
    assert sent["messaging_type"] in ("RESPONSE", "UPDATE")
    psid = sent["recipient"]["id"]
    if not psid.isdecimal():
        return error(400, 100, 2018001, "No matching user found"), None
    message = sent["message"]
    assert message.keys() == {"text", "metadata"}
    if not 0 < len(message["text"]) <= 2000:
        return error(400, 100, None, "Length of param message[text] must be less than or equal to 2000"), None
    message_id = message["metadata"]
    assert 0 < len(message_id) <= 1000
    answer = {"recipient_id": psid, "message_id": f"m_{message_id}"}
    return Reply(200, answer), Taken("messenger", message_id, psid, sent)


def error(status: int, code: int, subcode: int | None, message: str) -> Reply:
    told = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code, "fbtrace_id": "trace"}
    return Reply(status, {"error": told if subcode is None else {**told, "error_subcode": subcode}})
