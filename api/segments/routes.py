"""Segments and their members, from the published warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse

from api.context import ContextOf
from api.cursors import Cursors
from api.errors import problems
from api.responses import answer
from api.security.auth import SegmentReader
from api.segments.schemas import SegmentMembers, Segments
from cdp import fields
from cdp.errors import NotFound
from cdp.warehouse import Warehouse

router = APIRouter(prefix="/v1/segments", tags=["segments"])

NDJSON = "application/x-ndjson"
_LINES_AT_A_TIME = 5_000

ProfileIdText = Annotated[str, Query(pattern=fields.ProfileId.pattern)]
MEMBER_CURSORS: Cursors[str] = Cursors(ProfileIdText)

# The catalogue is the one that the last run used; later changes to the file have no effect here.
_SIZES = """
with last as (select run_id from runs.runs order by started_at desc limit 1),
flows as (
    select segment, count(*) filter (change = 'entered') as entered_count,
        count(*) filter (change = 'left') as left_count
    from segments.changes semi join last using (run_id) group by segment
),
sizes as (select segment, count(*) as profile_count from segments.memberships group by segment)
select c.segment as name, c.title, c.words, coalesce(s.profile_count, 0) as profile_count,
    coalesce(m.entered_count, 0) as entered_count, coalesce(m.left_count, 0) as left_count
from segments.catalogue c left join sizes s using (segment) left join flows m using (segment)
order by c.position
"""

_MEMBERS = """
select profile_id, iso(entered_at) as entered_at from segments.memberships
where segment = $segment and profile_id > $after order by profile_id limit $limit
"""


@router.get("", summary="List segments", response_model=Segments, responses=problems(401, 403, 429, 503))
async def list_segments(_caller: SegmentReader, context: ContextOf) -> Response:
    """List the segments of the last run's catalogue in its order, with their rules in words and their sizes."""
    return answer({"segments": await context.warehouse.ask(lambda warehouse: warehouse.query(_SIZES).to_dicts())})


@router.get(
    "/{name}/members",
    summary="List a segment's members",
    response_model=SegmentMembers,
    responses={
        200: {"content": {NDJSON: {"schema": {"type": "string"}}}},
        **problems(400, 401, 403, 404, 422, 429, 503),
    },
)
async def list_members(
    _caller: SegmentReader,
    name: str,
    context: ContextOf,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    cursor: Annotated[str, Query(max_length=200)] = "",
    accept: Annotated[str, Header()] = "",
) -> Response:
    """List the members of a segment by profile id: a page, or all with `Accept: application/x-ndjson`, one per line.

    An export is consistent: a run that is published meanwhile does not affect it.
    """
    after = MEMBER_CURSORS.position(cursor) if cursor else ""
    if NDJSON in accept:
        members = await context.warehouse.ask(lambda warehouse: _members(warehouse, name, after, None))
        return StreamingResponse(_lines(members), media_type=NDJSON)
    found = await context.warehouse.ask(lambda warehouse: _members(warehouse, name, after, limit + 1))
    return answer(_page(name, found, limit))


def _members(warehouse: Warehouse, name: str, after: str, limit: int | None) -> pl.DataFrame:
    if not warehouse.scalar("select count(*) from segments.catalogue where segment = $1", [name]):
        raise NotFound("There is no segment of this name", hint="GET /v1/segments lists them")
    return warehouse.query(_MEMBERS, {"segment": name, "after": after, "limit": limit})


def _page(name: str, found: pl.DataFrame, limit: int) -> dict[str, Any]:
    members = found.head(limit)
    is_more = found.height > limit
    cursor = MEMBER_CURSORS.text(members["profile_id"][-1]) if is_more else None
    return {"segment": name, "members": members.to_dicts(), "next_cursor": cursor}


def _lines(members: pl.DataFrame) -> Iterator[str]:
    return (part.write_ndjson() for part in members.iter_slices(_LINES_AT_A_TIME))
