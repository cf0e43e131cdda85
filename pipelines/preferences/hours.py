"""When a channel's people look at messages, by the hour of their own day, weekdays and weekends apart.

Some looks are prompted: they follow the arrival, whatever the hour, and so say when the sender sent. The others follow
the people's habits. A channel's looks are taken for a mixture of the two (EM over the table of arrival hour × look
hour). Where everything is sent at one hour the two cannot be told apart; the more arrivals are spread, the better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]

HOURS = 24
# A message that comes this near to the hour at which a person looks is one that is looked at in time.
WITHIN_HOURS = 1
ROUNDS = 200
# With fewer looks, the two kinds cannot be told apart: the default mixture is used.
MIN_LOOKS = 300
NO_ARRIVAL = -1
_PROMPTED_SHARE = 0.5
_FADES_HOURS = 2.0

_CLOCK = np.arange(HOURS)


@dataclass(frozen=True)
class Habit:
    """A channel's looks, on weekdays or on weekends.

    prompted: the share of looks that follow an arrival; `fading`: when they do, by hours since; `usual`: by hour of the
    day, when its people look of themselves. Both lists sum to 1.
    """

    prompted: float
    fading: Numbers
    usual: Numbers

    def habitual(self, arrived: Ints, looked: Ints) -> Numbers:
        """The chance that a look at an hour, after an arrival at an hour (−1: long ago or unknown), is habitual."""
        prompted = self.prompted * self.fading[(looked - arrived) % HOURS]
        own = (1 - self.prompted) * self.usual[looked]
        return np.where(arrived == NO_ARRIVAL, 1.0, own / (own + prompted))

    def chances(self, arrived: Ints, usual: Numbers) -> Numbers:
        """Rows of 24 chances: of a look in each hour, given the arrival's hour and the person's own `usual` hours."""
        prompted = self.fading[(_CLOCK - arrived[:, None]) % HOURS]
        mixed = self.prompted * prompted + (1 - self.prompted) * usual
        return np.where((arrived == NO_ARRIVAL)[:, None], usual, mixed)


DEFAULT_FADING = np.exp(-_CLOCK / _FADES_HOURS) / np.exp(-_CLOCK / _FADES_HOURS).sum()


def apart(one: Ints, other: Ints) -> Ints:
    """How many hours apart, around the clock."""
    distance = np.abs(one - other) % HOURS
    return np.asarray(np.minimum(distance, HOURS - distance))


def by_nearness(usual: Numbers) -> Ints:
    """The hours of each row, best first: those with most looks within `WITHIN_HOURS` of them."""
    near = apart(_CLOCK[:, None], _CLOCK) <= WITHIN_HOURS
    return np.asarray(np.argsort(-(usual @ near).round(9), axis=1, kind="stable"))


def fit_habit(looks: pl.DataFrame) -> Habit:
    """The mixture behind looks: received_hour (null: long ago or unknown), looked_hour, looks."""
    usual = np.bincount(looks["looked_hour"].to_numpy(), looks["looks"].to_numpy(), HOURS) + 0.5
    habit = Habit(_PROMPTED_SHARE, DEFAULT_FADING, usual / usual.sum())
    known = looks.drop_nulls("received_hour")
    if known["looks"].sum() < MIN_LOOKS:
        return habit
    columns = ("received_hour", "looked_hour", "looks")
    arrived, looked, counts = (known[name].to_numpy().astype(np.int64) for name in columns)
    table = np.bincount(arrived * HOURS + looked, counts, HOURS * HOURS).astype(np.float64)
    cells = np.arange(HOURS * HOURS)
    for _ in range(ROUNDS):
        habit = _improved(habit, table, cells // HOURS, cells % HOURS)
    return habit


def _improved(habit: Habit, table: Numbers, arrived: Ints, looked: Ints) -> Habit:
    """One round of EM over the table's cells."""
    own = table * habit.habitual(arrived, looked)
    prompted = table - own
    # Half a look everywhere: what was never seen is not impossible.
    fading = np.bincount((looked - arrived) % HOURS, prompted, HOURS) + 0.5 / HOURS
    usual = np.bincount(looked, own, HOURS) + 0.5 / HOURS
    return Habit(float(prompted.sum() / table.sum()), fading / fading.sum(), usual / usual.sum())


def fit_habits(looks: pl.DataFrame) -> dict[str, Habit]:
    """The habit of each channel."""
    return {str(channel): fit_habit(part) for (channel,), part in looks.group_by("channel", maintain_order=True)}
