"""WhatsApp Cloud API: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages."""

from __future__ import annotations

from tests.delivery.fakes import Called, Reply, Taken

TOKEN = "token-of-the-fake"
NUMBER_ID = "100000000000001"
VERSION = "v23.0"


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    if called.header("Authorization") != f"Bearer {TOKEN}":
        return error(401, 190, "Error validating access token"), None
    assert (called.method, called.path) == ("POST", f"/{VERSION}/{NUMBER_ID}/messages"), called.path
    message = called.json
    assert (message["messaging_product"], message["recipient_type"]) == ("whatsapp", "individual")
    if not message["to"].removeprefix("+").isdecimal():
        return error(400, 131009, "Parameter value is not valid"), None
    match message:
        case {"type": "text", "text": {"body": str(body), "preview_url": bool()}}:
            assert 0 < len(body) <= 4096
        case {"type": "template", "template": {"name": str(), "language": {"code": str()}, "components": components}}:
            assert all(part["type"] == "body" and part["parameters"] for part in components)
        case _:
            raise AssertionError(f"no message of the type {message['type']}")
    message_id = message["biz_opaque_callback_data"]
    assert 0 < len(message_id) <= 512
    answer = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": message["to"], "wa_id": message["to"].removeprefix("+")}],
        "messages": [{"id": f"wamid.{message_id}", "message_status": "accepted"}],
    }
    return Reply(200, answer), Taken("whatsapp", message_id, message["to"], message)


def error(status: int, code: int, message: str) -> Reply:
    told = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code, "fbtrace_id": "trace"}
    return Reply(status, {"error": told})
