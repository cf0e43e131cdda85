"""The bodies of segments."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.schemas import Body


class Segment(Body):
    """A segment as of the last run, and how many entered and left in it."""

    name: str
    title: str
    words: str = Field(description="the rule in plain words")
    profile_count: int
    entered_count: int
    left_count: int


class Segments(Body):
    segments: list[Segment]


class SegmentMember(Body):
    profile_id: str
    entered_at: datetime


class SegmentMembers(Body):
    """A page of a segment, by profile id."""

    segment: str
    members: list[SegmentMember]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page")
