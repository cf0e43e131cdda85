"""Where a page ended, as a text that callers hand back. It is opaque to them and read strictly here."""

from __future__ import annotations

import base64
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from cdp.errors import UsageError

Position = TypeVar("Position")


class Cursors(Generic[Position]):
    """Cursors to positions of one type, which names all that a list is ordered by."""

    def __init__(self, position_type: Any) -> None:
        self._positions: TypeAdapter[Position] = TypeAdapter(position_type)

    def text(self, position: Position) -> str:
        return base64.urlsafe_b64encode(self._positions.dump_json(position)).decode().rstrip("=")

    def position(self, text: str) -> Position:
        """Read a cursor.

        Raises:
            UsageError: it is none of this list's.
        """
        try:
            decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return self._positions.validate_json(decoded)
        except (ValidationError, ValueError):
            raise UsageError("the cursor is not one of this list", hint="Begin again without it") from None
