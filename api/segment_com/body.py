"""Bodies of tracking requests: plain or gzipped, with any content type, up to a maximum size."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any

from api.errors import ApiError
from cdp import json_text

# The first bytes of gzip (RFC 1952), which no JSON text starts with. Headers are not reliable: clients differ.
_GZIP_MAGIC = b"\x1f\x8b"


class InvalidPayload(ApiError):
    """The tracking API cannot read the body."""

    http_status = 400
    code = "invalid_payload"


class PayloadTooLarge(ApiError):
    """The body, a batch or an event exceeds a limit."""

    http_status = 413
    code = "payload_too_large"


def read_object(body: bytes, max_bytes: int) -> dict[str, Any]:
    """The JSON object in a body of at most `max_bytes` when inflated. NaN and Infinity are accepted
    here, and bytes that are no text become U+FFFD.

    Raises:
        InvalidPayload: the body is not a JSON object, or its gzip is corrupt.
        PayloadTooLarge: the body is longer.
    """
    text = _inflated(body, max_bytes) if is_compressed(body) else body
    if len(text) > max_bytes:
        raise PayloadTooLarge(f"The body is larger than {max_bytes // 1024} KB")
    document = _parsed(text)
    if not isinstance(document, dict):
        raise InvalidPayload("The body is not a JSON object")
    return document


def is_compressed(body: bytes) -> bool:
    """Whether the body is gzipped, whatever its headers say."""
    return body.startswith(_GZIP_MAGIC)


def _inflated(body: bytes, max_bytes: int) -> bytes:
    """The inflated body, cut off one byte beyond the limit."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
            return stream.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error):
        raise InvalidPayload("The gzip body is corrupt") from None


def _parsed(text: bytes) -> Any:
    try:
        return json_text.loads(json_text.repaired(text))
    except ValueError:
        raise InvalidPayload("The body is not JSON") from None
