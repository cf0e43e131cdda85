"""Pagination cursors: opaque texts for the last position of a page, parsed strictly."""

from __future__ import annotations

import base64
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from cdp.errors import UsageError

Position = TypeVar("Position")


class Cursors(Generic[Position]):
    """Cursors for positions of one type, which contains everything that the list is ordered by."""

    def __init__(self, position_type: Any) -> None:
        self._positions: TypeAdapter[Position] = TypeAdapter(position_type)

    def text(self, position: Position) -> str:
        return base64.urlsafe_b64encode(self._positions.dump_json(position)).decode().rstrip("=")

    def position(self, text: str) -> Position:
        """Parse a cursor.

        Raises:
            UsageError: the cursor is invalid.
        """
        try:
            decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return self._positions.validate_json(decoded)
        except (ValidationError, ValueError):
            raise UsageError("invalid cursor", hint="Start again without a cursor") from None
