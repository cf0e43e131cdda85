"""When people open a channel's messages, by local hour, weekdays and weekends separately.

Some opens are prompted: they follow the arrival, whatever the hour, and so reflect when the sender sent. The others
follow people's habits. A channel's opens are modelled as a mixture of the two (EM over the table of arrival hour × hour
of opening). If everything is sent at one hour the two are indistinguishable; the more spread the arrivals, the better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]

HOURS = 24
# A best hour this close to the hour of an open counts as a hit.
WITHIN_HOURS = 1
ROUNDS = 200
# With fewer opens the two kinds are indistinguishable: the default mixture is used.
MIN_OPENS = 300
NO_ARRIVAL = -1
_PROMPTED_SHARE = 0.5
_FADES_HOURS = 2.0

_CLOCK = np.arange(HOURS)


@dataclass(frozen=True)
class Habit:
    """When a channel's messages are opened, on weekdays or on weekends.

    prompted: the share of opens that follow an arrival. fading: the distribution of these by hours since the arrival.
    usual: the distribution of habitual opens by hour of the day. Both distributions sum to 1.
    """

    prompted: float
    fading: Numbers
    usual: Numbers

    def habitual(self, arrived: Ints, opened: Ints) -> Numbers:
        """The chance that an open is habitual, given its hour and the arrival's (−1: long ago or unknown)."""
        prompted = self.prompted * self.fading[(opened - arrived) % HOURS]
        own = (1 - self.prompted) * self.usual[opened]
        return np.where(arrived == NO_ARRIVAL, 1.0, own / (own + prompted))

    def chances(self, arrived: Ints, usual: Numbers) -> Numbers:
        """Rows of 24 chances: of an open in each hour, given the arrival's hour and the person's own `usual` hours."""
        prompted = self.fading[(_CLOCK - arrived[:, None]) % HOURS]
        mixed = self.prompted * prompted + (1 - self.prompted) * usual
        return np.where((arrived == NO_ARRIVAL)[:, None], usual, mixed)


DEFAULT_FADING = np.exp(-_CLOCK / _FADES_HOURS) / np.exp(-_CLOCK / _FADES_HOURS).sum()


def apart(one: Ints, other: Ints) -> Ints:
    """The distance in hours, around the clock."""
    distance = np.abs(one - other) % HOURS
    return np.asarray(np.minimum(distance, HOURS - distance))


def by_nearness(usual: Numbers) -> Ints:
    """The hours of each row, best first: by the share of opens within `WITHIN_HOURS` of them."""
    near = apart(_CLOCK[:, None], _CLOCK) <= WITHIN_HOURS
    return np.asarray(np.argsort(-(usual @ near).round(9), axis=1, kind="stable"))


def fit_habit(opens: pl.DataFrame) -> Habit:
    """Fit the mixture to opens: received_hour (null: long ago or unknown), opened_hour, opens."""
    usual = np.bincount(opens["opened_hour"].to_numpy(), opens["opens"].to_numpy(), HOURS) + 0.5
    habit = Habit(_PROMPTED_SHARE, DEFAULT_FADING, usual / usual.sum())
    known = opens.drop_nulls("received_hour")
    if known["opens"].sum() < MIN_OPENS:
        return habit
    columns = ("received_hour", "opened_hour", "opens")
    arrived, opened, counts = (known[name].to_numpy().astype(np.int64) for name in columns)
    table = np.bincount(arrived * HOURS + opened, counts, HOURS * HOURS).astype(np.float64)
    cells = np.arange(HOURS * HOURS)
    for _ in range(ROUNDS):
        habit = _improved(habit, table, cells // HOURS, cells % HOURS)
    return habit


def _improved(habit: Habit, table: Numbers, arrived: Ints, opened: Ints) -> Habit:
    """One round of EM over the table's cells."""
    own = table * habit.habitual(arrived, opened)
    prompted = table - own
    # Smoothing, half an open in total: unseen hours are not impossible.
    fading = np.bincount((opened - arrived) % HOURS, prompted, HOURS) + 0.5 / HOURS
    usual = np.bincount(opened, own, HOURS) + 0.5 / HOURS
    return Habit(float(prompted.sum() / table.sum()), fading / fading.sum(), usual / usual.sum())


def fit_habits(opens: pl.DataFrame) -> dict[str, Habit]:
    """The habit of each channel."""
    return {str(channel): fit_habit(part) for (channel,), part in opens.group_by("channel", maintain_order=True)}
