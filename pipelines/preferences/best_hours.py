"""The hours of the day at which a person is most likely to look at messages of a channel of themselves.

Everybody is taken to have a usual hour, around which most of their looks fall. How usual hours are spread among people
is estimated from all looks, without assuming a shape (as rates are, in `rates.py`); by Bayes' rule a person's looks on
all channels then tell which hours theirs may be. That is the cohort to which the person's looks on the channel are
drawn. Where these are many they prevail, smoothed around the clock, so that somebody may have several good hours.

Held-out looks were foretold worse by raw counts, by looks over those to be expected from the arrivals, and by a cohort
of the people of one time zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

from pipelines.preferences.hours import HOURS, NO_ARRIVAL, Habit, Numbers, apart, by_nearness, fit_habits

BEST = 3
# Standard deviation of the looks around a usual hour.
SMOOTHING_HOURS = 0.8
# The share of looks that have nothing to do with the usual hour.
STRAY = 0.1
# Looks on the channel that the cohort is worth.
COHORT_WEIGHT = 20.0
ROUNDS = 300
SAMPLED_PEOPLE = 20_000
ROWS_AT_ONCE = 50_000
KEY = ["profile_id", "channel"]
# An arrival at one of 24 hours, or none known, and a look at one of 24.
_CELLS = (HOURS + 1) * HOURS


def kernel() -> Numbers:
    """24 × 24: the chance of a look in each hour (column) of somebody with that usual hour (row)."""
    hours = np.arange(HOURS)
    weights = np.exp(-0.5 * (apart(hours[:, None], hours) / SMOOTHING_HOURS) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Clock:
    """When people look, on weekdays or weekends: each channel's habit, and the share of people at each usual hour."""

    habits: Mapping[str, Habit]
    spread: Numbers

    def usual_hours(self, looks: pl.DataFrame, asked: pl.DataFrame) -> Iterator[Numbers]:
        """The usual hours of `asked` (profile_id, channel; distinct): 24 shares a row, some rows at a time."""
        rows = asked.select(KEY).with_row_index("row")
        anywhere = looks.join(rows.select("row", "profile_id"), on="profile_id")
        on_channel = _with_weight(looks.join(rows, on=KEY), self.habits)
        cells, own = _cells(anywhere, self.habits, asked.height), _by_hour(on_channel, asked.height)
        table = log_chances(self.habits)
        for start in range(0, asked.height, ROWS_AT_ONCE):
            part = slice(start, min(start + ROWS_AT_ONCE, asked.height))
            posterior = _likelihood(cells[part], table) * self.spread
            cohort = posterior / posterior.sum(axis=1, keepdims=True) @ kernel()
            mine = own[part].toarray()
            yield (mine @ kernel() + COHORT_WEIGHT * cohort) / (mine.sum(axis=1, keepdims=True) + COHORT_WEIGHT)


def fit_clock(looks: pl.DataFrame) -> Clock:
    """The clock behind looks, one row for those that are alike.

    The spread is fitted to the looks of `SAMPLED_PEOPLE` people, drawn evenly from the order of their ids.

    Args:
        looks: profile_id, channel, received_hour (null: long ago or unknown), looked_hour, looks (their number).
    """
    habits = fit_habits(looks)
    people = looks.select("profile_id").unique().sort("profile_id")
    people = people.gather_every(max(1, ceil(people.height / SAMPLED_PEOPLE))).with_row_index("row")
    cells = _cells(looks.join(people, on="profile_id"), habits, people.height)
    likelihood = _likelihood(cells, log_chances(habits))
    spread = np.full(HOURS, 1 / HOURS)
    for _ in range(ROUNDS if people.height else 0):
        spread *= (1 / (likelihood @ spread)) @ likelihood / people.height
    return Clock(habits, spread)


def log_chances(habits: Mapping[str, Habit]) -> Numbers:
    """Log of the chance of a look: a row for each channel, arrival hour (the last: none) and look hour, a column for
    each usual hour of the one who looks."""
    looked, around = np.arange(HOURS), kernel().T
    parts = []
    for habit in habits.values():
        own = (1 - STRAY) * around + STRAY * habit.usual[:, None]
        arrivals = [habit.prompted * habit.fading[(looked - hour) % HOURS] for hour in range(HOURS)]
        parts += [prompted[:, None] + (1 - habit.prompted) * own for prompted in arrivals] + [own]
    return np.log(np.concatenate(parts)) if parts else np.empty((0, HOURS))


def _likelihood(cells: csr_matrix, table: Numbers) -> Numbers:
    """Of each row's looks under each usual hour, up to a factor a row."""
    log = np.asarray(cells @ table)
    return np.asarray(np.exp(log - log.max(axis=1, keepdims=True)))


def _cells(looks: pl.DataFrame, habits: Mapping[str, Habit], rows: int) -> csr_matrix:
    """Numbers of looks: a column for each row of `log_chances`."""
    channel = looks["channel"].cast(pl.Enum(list(habits))).to_physical().cast(pl.Int64)
    arrived = looks["received_hour"].cast(pl.Int64).fill_null(HOURS)
    cell = (channel * _CELLS + arrived * HOURS + looks["looked_hour"].cast(pl.Int64)).to_numpy()
    return csr_matrix((looks["looks"].to_numpy(), (looks["row"].to_numpy(), cell)), shape=(rows, len(habits) * _CELLS))


def _with_weight(looks: pl.DataFrame, habits: Mapping[str, Habit]) -> pl.DataFrame:
    """The looks with `weight`: how many of each row's are habitual."""
    parts = [looks.clear().with_columns(weight=pl.lit(0.0))]
    for (channel,), part in looks.group_by("channel", maintain_order=True):
        arrived = part["received_hour"].cast(pl.Int64).fill_null(NO_ARRIVAL).to_numpy()
        chance = habits[str(channel)].habitual(arrived, part["looked_hour"].cast(pl.Int64).to_numpy())
        parts.append(part.with_columns(weight=pl.col("looks") * pl.Series(chance)))
    return pl.concat(parts)


def _by_hour(looks: pl.DataFrame, rows: int) -> csr_matrix:
    places = (looks["row"].to_numpy(), looks["looked_hour"].to_numpy())
    return csr_matrix((looks["weight"].to_numpy(), places), shape=(rows, HOURS))


def best_hours(looks: pl.DataFrame) -> pl.DataFrame:
    """profile_id, channel, looked_count, best_hours (best first) of everybody who looked at a message of a channel.

    Args:
        looks: of weekdays, or of weekends, as for `fit_clock`.
    """
    asked = looks.group_by(KEY, maintain_order=True).agg(looked_count=pl.col("looks").sum().cast(pl.Int64))
    best = [by_nearness(usual)[:, :BEST] for usual in fit_clock(looks).usual_hours(looks, asked)]
    hours = np.concatenate(best) if best else np.empty((0, BEST))
    return asked.with_columns(
        best_hours=pl.Series(hours.astype(np.int32), dtype=pl.Array(pl.Int32, BEST)).cast(pl.List(pl.Int32))
    )
