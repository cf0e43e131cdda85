"""The hours of the day at which a person is most likely to open a channel's messages unprompted.

The model: each person has a usual hour, around which most of their opens fall. The distribution of usual hours over
people is estimated from all opens, without assuming a shape (as for rates, in `rates.py`). By Bayes' rule, a person's
opens on all channels give the probability of each usual hour: this is the cohort towards which the person's opens on
the channel are shrunk. With many opens the person's own prevail, smoothed around the clock, so a person may have
several good hours.

In backtests these predicted opens worse: raw counts; opens relative to those expected from the arrivals; a cohort of
the people of one time zone.
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
# Standard deviation of opens around the usual hour.
SMOOTHING_HOURS = 0.8
# The share of opens that are unrelated to the usual hour.
STRAY = 0.1
# The weight of the cohort, in opens on the channel.
COHORT_WEIGHT = 20.0
ROUNDS = 300
SAMPLED_PEOPLE = 20_000
ROWS_AT_ONCE = 50_000
KEY = ["profile_id", "channel"]
# 24 arrival hours or none known, times 24 hours of opening.
_CELLS = (HOURS + 1) * HOURS


def kernel() -> Numbers:
    """24 × 24: the chance of an open in each hour (column), given the usual hour (row)."""
    hours = np.arange(HOURS)
    weights = np.exp(-0.5 * (apart(hours[:, None], hours) / SMOOTHING_HOURS) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Clock:
    """When people open messages, on weekdays or weekends: each channel's habit, and the share of people at each usual
    hour."""

    habits: Mapping[str, Habit]
    spread: Numbers

    def usual_hours(self, opens: pl.DataFrame, asked: pl.DataFrame) -> Iterator[Numbers]:
        """The usual hours of `asked` (profile_id, channel; distinct): 24 shares per row, in batches of rows."""
        rows = asked.select(KEY).with_row_index("row")
        anywhere = opens.join(rows.select("row", "profile_id"), on="profile_id")
        on_channel = _with_weight(opens.join(rows, on=KEY), self.habits)
        cells, own = _cells(anywhere, self.habits, asked.height), _by_hour(on_channel, asked.height)
        table = log_chances(self.habits)
        for start in range(0, asked.height, ROWS_AT_ONCE):
            part = slice(start, min(start + ROWS_AT_ONCE, asked.height))
            posterior = _likelihood(cells[part], table) * self.spread
            cohort = posterior / posterior.sum(axis=1, keepdims=True) @ kernel()
            mine = own[part].toarray()
            yield (mine @ kernel() + COHORT_WEIGHT * cohort) / (mine.sum(axis=1, keepdims=True) + COHORT_WEIGHT)


def fit_clock(opens: pl.DataFrame) -> Clock:
    """Fit the clock to opens; identical ones are one row.

    The spread is fitted to the opens of about `SAMPLED_PEOPLE` people, sampled at even steps of their sorted ids.

    Args:
        opens: profile_id, channel, received_hour (null: long ago or unknown), opened_hour, opens (their number).
    """
    habits = fit_habits(opens)
    people = opens.select("profile_id").unique().sort("profile_id")
    people = people.gather_every(max(1, ceil(people.height / SAMPLED_PEOPLE))).with_row_index("row")
    cells = _cells(opens.join(people, on="profile_id"), habits, people.height)
    likelihood = _likelihood(cells, log_chances(habits))
    spread = np.full(HOURS, 1 / HOURS)
    for _ in range(ROUNDS if people.height else 0):
        spread *= (1 / (likelihood @ spread)) @ likelihood / people.height
    return Clock(habits, spread)


def log_chances(habits: Mapping[str, Habit]) -> Numbers:
    """Log of the chance of an open: a row for each channel, arrival hour (the last: none) and hour of opening, a column
    for each usual hour of the person."""
    opened, around = np.arange(HOURS), kernel().T
    parts = []
    for habit in habits.values():
        own = (1 - STRAY) * around + STRAY * habit.usual[:, None]
        arrivals = [habit.prompted * habit.fading[(opened - hour) % HOURS] for hour in range(HOURS)]
        parts += [prompted[:, None] + (1 - habit.prompted) * own for prompted in arrivals] + [own]
    return np.log(np.concatenate(parts)) if parts else np.empty((0, HOURS))


def _likelihood(cells: csr_matrix, table: Numbers) -> Numbers:
    """The likelihood of each row's opens under each usual hour, up to a factor per row."""
    log = np.asarray(cells @ table)
    return np.asarray(np.exp(log - log.max(axis=1, keepdims=True)))


def _cells(opens: pl.DataFrame, habits: Mapping[str, Habit], rows: int) -> csr_matrix:
    """The number of opens, in a column for each row of `log_chances`."""
    channel = opens["channel"].cast(pl.Enum(list(habits))).to_physical().cast(pl.Int64)
    arrived = opens["received_hour"].cast(pl.Int64).fill_null(HOURS)
    cell = (channel * _CELLS + arrived * HOURS + opens["opened_hour"].cast(pl.Int64)).to_numpy()
    return csr_matrix((opens["opens"].to_numpy(), (opens["row"].to_numpy(), cell)), shape=(rows, len(habits) * _CELLS))


def _with_weight(opens: pl.DataFrame, habits: Mapping[str, Habit]) -> pl.DataFrame:
    """The opens with `weight`: the expected number of habitual ones in each row."""
    parts = [opens.clear().with_columns(weight=pl.lit(0.0))]
    for (channel,), part in opens.group_by("channel", maintain_order=True):
        arrived = part["received_hour"].cast(pl.Int64).fill_null(NO_ARRIVAL).to_numpy()
        chance = habits[str(channel)].habitual(arrived, part["opened_hour"].cast(pl.Int64).to_numpy())
        parts.append(part.with_columns(weight=pl.col("opens") * pl.Series(chance)))
    return pl.concat(parts)


def _by_hour(opens: pl.DataFrame, rows: int) -> csr_matrix:
    places = (opens["row"].to_numpy(), opens["opened_hour"].to_numpy())
    return csr_matrix((opens["weight"].to_numpy(), places), shape=(rows, HOURS))


def best_hours(opens: pl.DataFrame) -> pl.DataFrame:
    """profile_id, channel, opened_count, best_hours (best first), for each person and channel with an open.

    Args:
        opens: opens on weekdays, or on weekends, as for `fit_clock`.
    """
    asked = opens.group_by(KEY, maintain_order=True).agg(opened_count=pl.col("opens").sum().cast(pl.Int64))
    best = [by_nearness(usual)[:, :BEST] for usual in fit_clock(opens).usual_hours(opens, asked)]
    hours = np.concatenate(best) if best else np.empty((0, BEST))
    return asked.with_columns(
        best_hours=pl.Series(hours.astype(np.int32), dtype=pl.Array(pl.Int32, BEST)).cast(pl.List(pl.Int32))
    )
