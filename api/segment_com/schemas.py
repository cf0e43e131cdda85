"""Response bodies of Segment's Profile API."""

from __future__ import annotations

from pydantic import JsonValue

from api.schemas import Body


class SpaceCursor(Body):
    """The start of the next page of a list."""

    url: str
    has_more: bool
    next: str
    limit: int


class SpaceTraits(Body):
    """Traits by name, as in Segment's Profile API; with `verbose`, each is `{value, source_id, updated_at}`."""

    traits: dict[str, JsonValue]
    cursor: SpaceCursor


class SpaceList(Body):
    """External ids, events or links, as in Segment's Profile API."""

    data: list[dict[str, JsonValue]]
    cursor: SpaceCursor


class SpaceMetadata(Body):
    """Metadata as in Segment's Profile API: `created_at`, `updated_at`, `expires_at` and more."""

    metadata: dict[str, JsonValue]
