"""Quiet hours in local time, correct to the second across clock changes.

Between two clock changes, local time is UTC plus a constant, so the end of a quiet period is computed within each such
span. A quiet hour that the clock skips does not exist; one that occurs twice is quiet twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from math import floor
from zoneinfo import ZoneInfo

from cdp.decision.policy import QuietHours

_DAY_SECONDS = 86_400
_DAY = timedelta(days=1)


def next_allowed(start: datetime, quiet: QuietHours, zones: Sequence[ZoneInfo], latest: datetime) -> datetime | None:
    """The first time from `start` (UTC) on that is quiet in none of the zones; None if it is after `latest`."""
    moment = start
    while moment <= latest:
        moved = moment
        for zone in zones:
            moved = _end_of_quiet(moved, quiet, zone)
        if moved == moment:
            return moment
        moment = moved
    return None


def next_quiet(start: datetime, quiet: QuietHours, zones: Sequence[ZoneInfo]) -> datetime:
    """The first time from `start` (UTC) on that is quiet in at least one of the zones."""
    return min(_end_of_quiet(start, quiet.complement, zone) for zone in zones)


def _end_of_quiet(moment: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime:
    if not quiet.hold_at(moment.astimezone(zone).time()):
        return moment
    return next(filter(None, (_end_within(*span, quiet) for span in _spans(moment, zone))))


def _end_within(begun: datetime, ended: datetime, offset: timedelta, quiet: QuietHours) -> datetime | None:
    local = (begun + offset).time()
    if not quiet.hold_at(local):
        return begun
    end = begun + (_since_midnight(quiet.ends_at) - _since_midnight(local)) % _DAY
    return end if end < ended else None


def _spans(moment: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """(begun, ended, offset to UTC) of consecutive spans without a clock change, at most a day long."""
    while True:
        ended = _change_or_day(moment, zone)
        yield moment, ended, _offset(moment.timestamp(), zone)
        moment = ended


def _change_or_day(moment: datetime, zone: ZoneInfo) -> datetime:
    begun = floor(moment.timestamp())
    offset = _offset(begun, zone)
    if _offset(begun + _DAY_SECONDS, zone) == offset:
        return moment + _DAY
    day = range(begun, begun + _DAY_SECONDS)
    changed = bisect_left(day, True, key=lambda second: _offset(second, zone) != offset)
    return datetime.fromtimestamp(begun + changed, UTC)


def _offset(second: float, zone: ZoneInfo) -> timedelta:
    return datetime.fromtimestamp(second, zone).utcoffset() or timedelta()


def _since_midnight(local: time) -> timedelta:
    return timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
