"""Response bodies of segments."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.schemas import Body


class Segment(Body):
    """A segment as of the last run, with the numbers of profiles that entered and left it in that run."""

    name: str
    title: str
    words: str = Field(description="Rule in plain words")
    profile_count: int
    entered_count: int
    left_count: int


class Segments(Body):
    """The segments of the catalogue."""

    segments: list[Segment]


class SegmentMember(Body):
    """A member of a segment."""

    profile_id: str
    entered_at: datetime


class SegmentMembers(Body):
    """A page of a segment's members, ordered by profile id."""

    segment: str
    members: list[SegmentMember]
    next_cursor: str | None = Field(description="Value of `cursor` for the next page")
