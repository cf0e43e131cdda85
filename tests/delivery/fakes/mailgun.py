"""Mailgun: the page of POST /v3/{domain}/messages in https://documentation.mailgun.com/docs/mailgun/api-reference/."""

from __future__ import annotations

from base64 import b64decode

from tests.delivery.fakes import Called, Reply, Taken

KEY = "key-of-the-fake"
DOMAIN = "mg.example.com"


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    scheme, _, credentials = called.header("Authorization").partition(" ")
    if scheme != "Basic" or b64decode(credentials) != f"api:{KEY}".encode():
        return Reply(401, "Forbidden"), None
    assert called.method == "POST" and called.path.startswith("/v3/"), called.path
    if called.path != f"/v3/{DOMAIN}/messages":
        return Reply(404, {"message": "Domain not found"}), None
    assert called.header("Content-Type") == "application/x-www-form-urlencoded"
    mail = called.form
    if "@" not in mail["to"]:
        return Reply(400, {"message": "to parameter is not a valid address. please check documentation"}), None
    assert mail["from"] and mail["subject"] and (mail["text"] or mail["html"])
    known = ("from", "to", "cc", "bcc", "subject", "text", "html", "amp-html", "template", "attachment", "inline")
    assert all(name in known or name[:2] in ("h:", "v:", "o:", "t:") for name in mail), list(mail)
    # Documented limit of all options.
    assert sum(len(name) + len(value) for name, value in mail.items() if name[1] == ":") <= 16_384
    message_id = mail["v:message_id"]
    reply = Reply(200, {"id": f"<mg-{message_id}@{DOMAIN}>", "message": "Queued. Thank you."})
    return reply, Taken("mailgun", message_id, mail["to"], mail)
