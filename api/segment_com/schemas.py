"""The bodies of Segment's Profile API."""

from __future__ import annotations

from pydantic import JsonValue

from api.schemas import Body


class SpaceCursor(Body):
    """Where the next page of a list begins."""

    url: str
    has_more: bool
    next: str
    limit: int


class SpaceTraits(Body):
    """Segment's Profile API: traits by name; with `verbose` each is {value, source_id, updated_at}."""

    traits: dict[str, JsonValue]
    cursor: SpaceCursor


class SpaceList(Body):
    """Segment's Profile API: external ids, events or links."""

    data: list[dict[str, JsonValue]]
    cursor: SpaceCursor


class SpaceMetadata(Body):
    """Segment's Profile API: created_at, updated_at, expires_at and more."""

    metadata: dict[str, JsonValue]
