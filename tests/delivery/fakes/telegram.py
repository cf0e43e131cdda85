"""Telegram: https://core.telegram.org/bots/api#sendmessage, and #making-requests for answers.

Our id of a message does not travel there.
"""

from __future__ import annotations

from tests.delivery.fakes import Called, Reply, Taken

TOKEN = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"
BLOCKED, DEACTIVATED, NOT_STARTED, UNKNOWN = "2000001", "2000002", "2000003", "2000004"
MESSAGE_NUMBER = 4711

_ERRORS = {
    BLOCKED: (403, "Forbidden: bot was blocked by the user"),
    DEACTIVATED: (403, "Forbidden: user is deactivated"),
    NOT_STARTED: (403, "Forbidden: bot can't initiate conversation with a user"),
    UNKNOWN: (400, "Bad Request: chat not found"),
}


def accepts(called: Called) -> tuple[Reply, Taken | None]:
    assert called.method == "POST" and called.header("Content-Type") == "application/json"
    _, bot, method = called.path.split("/")
    if bot != f"bot{TOKEN}":
        return error(401, "Unauthorized"), None
    assert method == "sendMessage", method
    message = called.json
    assert message.keys() == {"chat_id", "text"}
    assert isinstance(message["chat_id"], int)
    address = str(message["chat_id"])
    if address in _ERRORS:
        return error(*_ERRORS[address]), None
    if not 0 < len(message["text"]) <= 4096:
        return error(400, "Bad Request: message is too long"), None
    result = {
        "message_id": MESSAGE_NUMBER,
        "from": {"id": 4444444, "is_bot": True, "first_name": "Alpine", "username": "alpine_bot"},
        "chat": {"id": message["chat_id"], "first_name": "Ann", "type": "private"},
        "date": 1782907200,
        "text": message["text"],
    }
    return Reply(200, {"ok": True, "result": result}), Taken("telegram", "", address, message)


def error(status: int, description: str, **parameters: int) -> Reply:
    told = {"parameters": parameters} if parameters else {}
    return Reply(status, {"ok": False, "error_code": status, "description": description, **told})
