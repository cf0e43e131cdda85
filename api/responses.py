"""JSON responses without validation: the data was checked when it was published, so models only document it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response


def answer(body: Any, headers: Mapping[str, str] = {}) -> Response:
    return answer_text(to_json(body), headers)


def answer_text(text: bytes, headers: Mapping[str, str] = {}) -> Response:
    """A response from ready JSON text."""
    return Response(text, media_type="application/json", headers=dict(headers))


def answer_if_changed(body: Any, known_etags: str | None) -> Response:
    """A response with a strong ETag; 304 without a body if it is among those that the client knows (RFC 9110)."""
    text = to_json(body)
    etag = f'"{blake2b(text, digest_size=16).hexdigest()}"'
    known = [one.strip().removeprefix("W/") for one in (known_etags or "").split(",")]
    # The client may keep it, but has to ask each time.
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    return Response(None, 304, headers) if etag in known or "*" in known else answer_text(text, headers)
