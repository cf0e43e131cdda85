"""Postmark: https://postmarkapp.com/developer/api/email-api#send-a-single-email."""

from __future__ import annotations

from tests.delivery.fakes import Called, Reply, Taken

TOKEN = "token-of-the-fake"
INACTIVE = "gone@example.com"
STREAMS = ("outbound", "news")


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    if called.header("X-Postmark-Server-Token") != TOKEN:
        return _error(401, 10, "Bad or missing Server API token."), None
    assert (called.method, called.path) == ("POST", "/email"), called.path
    assert called.header("Accept") == called.header("Content-Type") == "application/json"
    mail = called.json
    if "@" not in mail["To"]:
        return _error(422, 300, f"Invalid 'To' address: '{mail['To']}'."), None
    if mail["To"] == INACTIVE:
        return _error(
            422, 406, f"You tried to send to recipient(s) that have been marked as inactive: {INACTIVE}"
        ), None
    if not mail["From"].endswith("@example.com>"):
        return _error(422, 400, "The 'From' address you supplied is not a Sender Signature on your account."), None
    if mail["MessageStream"] not in STREAMS:
        return _error(422, 1235, "The message stream you supplied does not exist on this server."), None
    assert mail["Subject"] and mail["TextBody"] and mail["HtmlBody"]
    assert all(header.keys() == {"Name", "Value"} for header in mail["Headers"])
    # Documented limits of metadata.
    assert all(len(name) <= 20 and len(value) <= 80 for name, value in mail["Metadata"].items())
    message_id = mail["Metadata"]["message_id"]
    body = {"To": mail["To"], "SubmittedAt": "2026-06-01T12:00:00.0Z", "MessageID": f"pm-{message_id}"}
    reply = Reply(200, {**body, "ErrorCode": 0, "Message": "OK"})
    return reply, Taken("postmark", message_id, mail["To"], mail)


def _error(status: int, code: int, message: str) -> Reply:
    return Reply(status, {"ErrorCode": code, "Message": message})
