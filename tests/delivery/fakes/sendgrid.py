"""SendGrid: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send."""

from __future__ import annotations

from tests.delivery.fakes import Called, Reply, Taken

KEY = "SG.of-the-fake"


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    if called.header("Authorization") != f"Bearer {KEY}":
        return Reply(401, {"errors": [{"message": "authorization required", "field": None}]}), None
    assert (called.method, called.path) == ("POST", "/v3/mail/send"), called.path
    mail = called.json
    [person] = mail["personalizations"]
    [to] = person["to"]
    if "@" not in to["email"]:
        return Reply(400, {"errors": [{"message": "Does not contain a valid address.", "field": "to.0.email"}]}), None
    assert mail["from"]["email"] and mail["subject"]
    # Documented order: text/plain first.
    assert [part["type"] for part in mail["content"]] == ["text/plain", "text/html"]
    assert all(part["value"] for part in mail["content"])
    message_id = person["custom_args"]["message_id"]
    return Reply(202, headers={"X-Message-Id": f"sg-{message_id}"}), Taken("sendgrid", message_id, to["email"], mail)
