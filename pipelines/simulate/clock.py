"""Local time and daily activity as arithmetic, in milliseconds since the epoch (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from pipelines.simulate.draw import Floats, Ints, Rng, chance
from pipelines.simulate.vocabulary import CITIES

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SECOND = 1_000

TIMEZONES = tuple(dict.fromkeys(city.timezone for city in CITIES))


@dataclass(frozen=True)
class Clock:
    """The simulated period and the UTC offsets in it.

    `offsets` (time zones × hours) holds milliseconds; its first hour is `first_hour`, counted from the epoch.
    """

    start: int
    end: int
    first_hour: int
    offsets: Ints

    @property
    def days(self) -> int:
        return max(1, (self.end - self.start) // DAY)

    def at_fraction(self, fraction: float | Floats) -> Ints:
        """The time at a fraction of the period."""
        return np.asarray(self.start + np.asarray(fraction) * (self.end - self.start), dtype=np.int64)

    def local(self, at: Ints, zone: Ints) -> Ints:
        """The wall-clock time at `at`, represented as if it were UTC."""
        return at + self._offset(at, zone)

    def utc(self, local: Ints, zone: Ints) -> Ints:
        """The time at which the wall clock shows `local` (an hour off if that hour is skipped)."""
        return local - self._offset(local - self._offset(local, zone), zone)

    def _offset(self, at: Ints, zone: Ints) -> Ints:
        hour = np.clip(at // HOUR - self.first_hour, 0, self.offsets.shape[1] - 1)
        return np.asarray(self.offsets[zone, hour], dtype=np.int64)


def make_clock(end: datetime, days: int) -> Clock:
    """A clock for the `days` days before `end` (an aware time)."""
    until = end.astimezone(UTC).replace(microsecond=0)
    since = until - timedelta(days=days)
    first = (since - timedelta(days=3)).replace(minute=0, second=0)
    hours = pl.datetime_range(first, until + timedelta(days=4), "1h", eager=True)
    offsets = np.vstack([_offsets(hours, name) for name in TIMEZONES])
    first_hour = int(first.timestamp()) // 3600
    return Clock(int(since.timestamp()) * SECOND, int(until.timestamp()) * SECOND, first_hour, offsets)


def _offsets(hours: pl.Series, timezone: str) -> Ints:
    local = hours.dt.convert_time_zone(timezone)
    offset = local.dt.base_utc_offset() + local.dt.dst_offset()
    return offset.dt.total_milliseconds().to_numpy().astype(np.int64)


def active_times(rng: Rng, clock: Clock, zone: Ints, hour: Ints, weekender: Ints) -> Ints:
    """Times in the period at which people are active, mostly around their preferred local hour.

    Weekenders (1) move half of their weekday activity to the preceding Saturday.
    """
    count = len(zone)
    first_day = clock.start // DAY
    day = first_day + rng.integers(0, clock.days, count)
    weekday = (day + 3) % 7  # day 0 of the epoch was a Thursday
    moved = (weekender == 1) & (weekday < 5) & (weekday + 2 <= day - first_day) & chance(rng, 0.5, count)
    day = np.where(moved, day - weekday - 2, day)
    usual = hour * HOUR + rng.normal(0, 50 * MINUTE, count)
    any_time = rng.uniform(7 * HOUR, 23 * HOUR, count)
    within = np.where(chance(rng, 0.75, count), usual, any_time).astype(np.int64)
    at = clock.utc(day * DAY + within, zone)
    at = np.where(at < clock.start, at + DAY, np.where(at >= clock.end, at - DAY, at))
    return np.clip(at, clock.start, clock.end - MINUTE)


def reaction_times(rng: Rng, clock: Clock, sent: Ints, zone: Ints, hour: Ints) -> Ints:
    """Times at which people react to a message: 75% at their next preferred hour, the others soon."""
    local = clock.local(sent, zone)
    usual = local // DAY * DAY + hour * HOUR + rng.normal(0, 45 * MINUTE, len(sent)).astype(np.int64)
    usual = np.where(usual < local + 2 * MINUTE, usual + DAY, usual)
    soon = sent + np.minimum(rng.exponential(90 * MINUTE, len(sent)), 20 * HOUR).astype(np.int64) + MINUTE
    return np.where(chance(rng, 0.75, len(sent)), clock.utc(usual, zone), soon)
