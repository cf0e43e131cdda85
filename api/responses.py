"""JSON responses without validation: the data was checked when it was published, so models only document it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

_HEADERS = {"Cache-Control": "no-store"}


def answer(body: Any, headers: Mapping[str, str] = {}) -> Response:
    return answer_text(to_json(body), headers)


def answer_text(text: bytes, headers: Mapping[str, str] = {}) -> Response:
    """A response from ready JSON text."""
    return Response(text, media_type="application/json", headers={**_HEADERS, **headers})
