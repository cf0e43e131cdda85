"""`Idempotency-Key`: the header by which a client may repeat a request that it got no answer to."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request

from api.errors import ApiError

HEADER = "Idempotency-Key"
MAX_CHARACTERS = 255
REPLAYED = {"Idempotent-Replayed": "true"}

_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_CHARACTERS}}}")

# What routes that understand the header add to their documentation.
PARAMETER: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS},
            "description": "A key that the client chooses for this request. Within 24 hours, the same request with the "
            "same key is not done again: its first answer is given, with `Idempotent-Replayed: true`. That is for an "
            "answer that did not arrive: what has happened since, such as an opt-out or an outcome, is not in it.",
            "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
        }
    ]
}


class InvalidKey(ApiError):
    """The header has no usable key, or the request several of them."""

    http_status = 400
    code = "invalid_idempotency_key"


def key_of(request: Request) -> str | None:
    """The key of a request, if it has one.

    Raises:
        InvalidKey: it is empty, too long, or not visible ASCII; or there are two.
    """
    keys = request.headers.getlist(HEADER)
    if len(keys) > 1:
        raise InvalidKey(f"A request has one {HEADER}, not {len(keys)}")
    if keys and not _KEY.fullmatch(keys[0]):
        raise InvalidKey(f"{HEADER} must have 1 to {MAX_CHARACTERS} visible ASCII characters")
    return keys[0] if keys else None
