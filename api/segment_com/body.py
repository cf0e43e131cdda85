"""Bodies of tracking requests: gzipped or not, under any content type, within a bound."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from typing import Any

from api.errors import ApiError

# The first bytes of gzip (RFC 1952); no JSON text starts with them. Clients label their bodies in many ways.
_GZIP_MAGIC = b"\x1f\x8b"


class InvalidPayload(ApiError):
    """The body is not what the tracking API can read."""

    http_status = 400
    code = "invalid_payload"


class PayloadTooLarge(ApiError):
    """The body, its batch or its event is over a limit."""

    http_status = 413
    code = "payload_too_large"


def read_object(body: bytes, max_bytes: int) -> dict[str, Any]:
    """The JSON object in a body of at most `max_bytes` after inflation. NaN and Infinity are left in for later.

    Raises:
        InvalidPayload: it is no JSON object in UTF-8, is nested too deeply, or its gzip is broken.
        PayloadTooLarge: it is longer.
    """
    text = _inflated(body, max_bytes) if body.startswith(_GZIP_MAGIC) else body
    if len(text) > max_bytes:
        raise PayloadTooLarge(f"The body is larger than {max_bytes // 1024} KB")
    document = _parsed(text)
    if not isinstance(document, dict):
        raise InvalidPayload("The body is not a JSON object")
    return document


def _inflated(body: bytes, max_bytes: int) -> bytes:
    """One byte more than allowed at most, whatever the body would inflate to."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
            return stream.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error):
        raise InvalidPayload("The body is gzip, but broken") from None


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidPayload("The body is not UTF-8") from None
    except RecursionError:
        raise InvalidPayload("The body is nested too deeply") from None
    except ValueError:
        raise InvalidPayload("The body is not JSON") from None
