"""Quiet hours: against a minute-by-minute search, over clock changes, across midnight, in several zones at once."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cdp.decision.policy import QuietHours
from cdp.decision.quiet_hours import next_allowed, next_quiet
from cdp.decision.timezones import time_zones, zones_by_country

NIGHT = QuietHours(starts_at=time(21), ends_at=time(8))
BERLIN, NEW_YORK, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
SECOND, WEEK = timedelta(seconds=1), timedelta(days=7)


def quiet(starts: str, ends: str) -> QuietHours:
    return QuietHours(starts_at=time.fromisoformat(starts), ends_at=time.fromisoformat(ends))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


ROWS = [
    # zone, quiet hours, asked at (UTC), sent at (UTC)
    ("Europe/Berlin", NIGHT, "2026-07-01T18:59:59", "2026-07-01T18:59:59"),  # a second before 21:00
    ("Europe/Berlin", NIGHT, "2026-07-01T19:00:00", "2026-07-02T06:00:00"),
    ("Europe/Berlin", NIGHT, "2026-07-02T05:59:59", "2026-07-02T06:00:00"),
    ("Europe/Berlin", NIGHT, "2026-07-02T06:00:00", "2026-07-02T06:00:00"),
    ("Europe/Berlin", NIGHT, "2026-07-01T23:30:00.000001", "2026-07-02T06:00:00"),
    # Nights with a clock change: 08:00 comes an hour earlier or later.
    ("Europe/Berlin", NIGHT, "2026-03-28T22:00:00", "2026-03-29T06:00:00"),
    ("Europe/Berlin", NIGHT, "2026-10-24T22:00:00", "2026-10-25T07:00:00"),
    ("America/New_York", NIGHT, "2026-03-08T04:00:00", "2026-03-08T12:00:00"),
    ("America/New_York", NIGHT, "2026-11-01T04:00:00", "2026-11-01T13:00:00"),
    # Quiet hours that end at 02:30, which the clock skips: they end at 03:00.
    ("Europe/Berlin", quiet("22:00", "02:30"), "2026-03-29T00:59:59", "2026-03-29T01:00:00"),
    ("America/New_York", quiet("22:00", "02:30"), "2026-03-08T06:59:59", "2026-03-08T07:00:00"),
    # … and which occurs twice: they end at the first, and a question at the second 02:00 waits for the second.
    ("Europe/Berlin", quiet("22:00", "02:30"), "2026-10-25T00:29:59", "2026-10-25T00:30:00"),
    ("Europe/Berlin", quiet("22:00", "02:30"), "2026-10-25T01:00:00", "2026-10-25T01:30:00"),
    ("America/New_York", quiet("22:00", "01:30"), "2026-11-01T05:29:59", "2026-11-01T05:30:00"),
    ("America/New_York", quiet("22:00", "01:30"), "2026-11-01T06:00:00", "2026-11-01T06:30:00"),
    # The clock goes back from a quiet hour to one that is not quiet.
    ("Europe/Berlin", quiet("02:15", "08:00"), "2026-10-25T00:45:00", "2026-10-25T01:00:00"),
    # Daylight saving time of half an hour.
    ("Australia/Lord_Howe", NIGHT, "2026-10-03T12:00:00", "2026-10-03T21:00:00"),
    # Quiet hours within a day.
    ("Europe/Berlin", quiet("12:00", "14:00"), "2026-07-01T10:00:00", "2026-07-01T12:00:00"),
    ("Europe/Berlin", quiet("12:00", "14:00"), "2026-07-01T12:00:00", "2026-07-01T12:00:00"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "hours", "asked", "sent"), ROWS)
def test_quiet_hours_end_to_the_second(zone: str, hours: QuietHours, asked: str, sent: str) -> None:
    start = utc(asked)
    assert next_allowed(start, hours, [ZoneInfo(zone)], start + WEEK) == utc(sent)


def search(start: datetime, hours: QuietHours, zones: list[ZoneInfo]) -> datetime:
    """The first minute from `start` on that is quiet in no zone, found by checking each."""
    moment = start
    while any(hours.hold_at(moment.astimezone(zone).time()) for zone in zones):
        moment += timedelta(minutes=1)
    return moment


MINUTES = st.integers(0, 24 * 60 - 1).map(lambda minutes: time(*divmod(minutes, 60)))
HOURS = st.tuples(MINUTES, MINUTES).filter(lambda pair: pair[0] != pair[1])
# Around the clock changes of 2026 in these zones, and anywhere else.
CHANGES = [utc(day) for day in ("2026-03-08", "2026-03-29", "2026-04-04", "2026-10-03", "2026-10-25", "2026-11-01")]
DAYS = st.integers(0, 3650).map(lambda days: utc("2020-01-01") + days * timedelta(days=1))
MOMENTS = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from(CHANGES) | DAYS,
    st.integers(-24 * 60, 36 * 60),
)
ZONES = st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")])


@given(start=MOMENTS, hours=HOURS, zone=ZONES)
@example(utc("2026-03-29T00:30"), (time(2, 15), time(2, 45)), BERLIN)
@example(utc("2026-10-25T00:30"), (time(2, 15), time(2, 45)), BERLIN)
def test_never_quiet_never_early_never_later_than_needed(
    start: datetime, hours: tuple[time, time], zone: ZoneInfo
) -> None:
    held = QuietHours(starts_at=hours[0], ends_at=hours[1])
    found = next_allowed(start, held, [zone], start + WEEK)
    assert found == search(start, held, [zone])


@given(start=MOMENTS, hours=HOURS, zone=ZONES)
def test_the_next_quiet_hours_begin_where_the_search_finds_them(
    start: datetime, hours: tuple[time, time], zone: ZoneInfo
) -> None:
    held = QuietHours(starts_at=hours[0], ends_at=hours[1])
    assert next_quiet(start, held, [zone]) == search(start, held.complement, [zone])


@given(start=MOMENTS)
@pytest.mark.slow
def test_the_allowed_time_is_quiet_in_none_of_the_possible_zones(start: datetime) -> None:
    zones = list(zones_by_country()["US"])
    assert next_allowed(start, NIGHT, zones, start + WEEK) == search(start, NIGHT, zones)


def test_quiet_hours_that_end_too_late_or_never_allow_no_time() -> None:
    start = utc("2026-07-01T19:00:00")
    assert next_allowed(start, NIGHT, [BERLIN], utc("2026-07-02T06:00:00")) == utc("2026-07-02T06:00:00")
    assert next_allowed(start, NIGHT, [BERLIN], utc("2026-07-02T05:59:59")) is None
    far_apart = [ZoneInfo("Pacific/Auckland"), ZoneInfo("America/New_York")]
    assert next_allowed(start, quiet("18:00", "16:00"), far_apart, start + WEEK) is None


PLACES = [
    # time zone, country, the policy's zone, zones, evidence
    ("Europe/Zurich", "US", "UTC", ["Europe/Zurich"], "timezone:Europe/Zurich"),
    (None, "CH", "UTC", ["Europe/Zurich"], "country:CH"),
    (None, "PT", "UTC", ["Europe/Lisbon", "Atlantic/Madeira", "Atlantic/Azores"], "country:PT"),
    ("Mars/Olympus", "CH", "UTC", ["Europe/Zurich"], "country:CH"),
    ("../../etc/passwd", None, "UTC", ["UTC"], "policy:UTC"),
    ("Europe", None, "Europe/Berlin", ["Europe/Berlin"], "policy:Europe/Berlin"),
    (None, "XX", "UTC", ["UTC"], "policy:UTC"),
]


@pytest.mark.parametrize(("timezone", "country", "otherwise", "zones", "evidence"), PLACES)
def test_possible_time_zones(
    timezone: str | None, country: str | None, otherwise: str, zones: list[str], evidence: str
) -> None:
    found = time_zones(timezone, country, otherwise)
    assert found is not None
    assert ([zone.key for zone in found.zones], found.evidence) == (zones, evidence)


def test_a_policy_may_refuse_if_the_time_zone_is_unknown() -> None:
    assert time_zones(None, None, "refuse") is None
