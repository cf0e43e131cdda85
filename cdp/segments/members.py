"""Who is in a segment, as the last run has published it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cdp.settings import Settings
from cdp.warehouse import Warehouse, open_published

_PART = 50_000
_MEMBERS = """
select profile_id from segments.memberships where segment = $segment and profile_id > $after order by profile_id
limit $limit
"""
_IS_KNOWN = "select count(*) from segments.catalogue where segment = $segment"


def published_members(settings: Settings) -> Callable[[str], Iterator[Sequence[str]]]:
    """A function that reads the ids of the people in a segment, part by part, from the warehouse of that moment."""

    def members_of(segment: str) -> Iterator[Sequence[str]]:
        warehouse = open_published(settings)
        try:
            yield from _parts(warehouse, segment)
        finally:
            warehouse.close()

    return members_of


def _parts(warehouse: Warehouse, segment: str) -> Iterator[Sequence[str]]:
    after = ""
    while True:
        wanted = {"segment": segment, "after": after, "limit": _PART}
        ids: list[str] = warehouse.query(_MEMBERS, wanted)["profile_id"].to_list()
        if ids:
            yield ids
        if len(ids) < _PART:
            return
        after = ids[-1]


def is_known(warehouse: Warehouse, segment: str) -> bool:
    """Whether the last run's catalogue has the segment."""
    return bool(warehouse.scalar(_IS_KNOWN, {"segment": segment}))
