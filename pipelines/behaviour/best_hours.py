"""The hours of the day at which a person is most likely to look at messages of a channel of themselves.

A look counts by its chance of being habitual (`hours.py`), for its neighbours too, by a kernel around the clock. Looks
on other channels count in part, and the cohort, the people of one time zone on that channel, as so many looks; the
cohort is drawn towards all of the channel's people. How much of each: what foretells a look best that is left out.

On held-out looks this did better than raw counts, and than looks over those to be expected from the arrivals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

from pipelines.behaviour.hours import HOURS, NO_ARRIVAL, Habit, Ints, Numbers, fit_habits

BEST = 3
SMOOTHING_HOURS = 1.0
# Looks that the channel's people weigh in a cohort's habit.
COHORT_DRAWN_BY = 100.0
ROWS_AT_ONCE = 50_000
# The choice of `Sharing` looks at so many people's looks.
SAMPLED_ROWS = 40_000
MIN_LOOKS = 300
KEY = ["profile_id", "channel"]


@dataclass(frozen=True)
class Sharing:
    """Own looks that others' are worth: one look on another channel, and the cohort as a whole."""

    other_channels: float = 1.0
    cohort: float = 1.0


SHARINGS = tuple(Sharing(*pair) for pair in product((0.0, 0.3, 1.0), (0.3, 1.0, 3.0, 10.0)))


def kernel() -> Numbers:
    """24 × 24: how much a look in one hour says about the others, around the clock; rows sum to 1."""
    apart = np.abs(np.arange(HOURS) - np.arange(HOURS)[:, None])
    weights = np.exp(-0.5 * (np.minimum(apart, HOURS - apart) / SMOOTHING_HOURS) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Evidence:
    """Habitual looks behind the rows that are asked about, one row a profile and channel.

    own: rows × 24, on that channel; everywhere: on all channels; cohorts: cohorts × 24, each summing to 1;
    cohort: the row's cohort.
    """

    own: csr_matrix
    everywhere: csr_matrix
    cohorts: Numbers
    cohort: Ints

    def usual(self, rows: slice, sharing: Sharing) -> Numbers:
        """The usual hours of these rows: 24 shares each."""
        shared = sharing.other_channels
        looks = (self.own[rows] * (1 - shared) + self.everywhere[rows] * shared).toarray()
        drawn = looks @ kernel() + sharing.cohort * self.cohorts[self.cohort[rows]]
        return np.asarray(drawn / (looks.sum(axis=1, keepdims=True) + sharing.cohort))


def weighed(looks: pl.DataFrame, habits: Mapping[str, Habit]) -> pl.DataFrame:
    """The looks with `weight`: how many of each row's are habitual."""
    parts = []
    for (channel,), part in looks.group_by("channel", maintain_order=True):
        arrived = part["received_hour"].fill_null(NO_ARRIVAL).to_numpy().astype(np.int64)
        chance = habits[str(channel)].habitual(arrived, part["looked_hour"].to_numpy().astype(np.int64))
        parts.append(part.with_columns(weight=pl.col("looks") * pl.Series(chance, dtype=pl.Float64)))
    return pl.concat(parts) if parts else looks.with_columns(weight=pl.lit(0.0))


def gather(weighed_looks: pl.DataFrame, habits: Mapping[str, Habit], asked: pl.DataFrame) -> Evidence:
    """The evidence on `asked` (profile_id, channel, cohort; distinct), in its order."""
    rows = asked.with_row_index("row")
    on_channel = weighed_looks.join(rows.select("row", *KEY), on=KEY)
    anywhere = weighed_looks.join(rows.select("row", "profile_id"), on="profile_id")
    cohorts = asked.select("channel", "cohort").unique(maintain_order=True).with_row_index("number")
    number = asked.join(cohorts, on=["channel", "cohort"], how="left", maintain_order="left")["number"]
    return Evidence(
        _by_hour(on_channel, "row", asked.height),
        _by_hour(anywhere, "row", asked.height),
        _cohort_habits(weighed_looks, habits, cohorts),
        number.to_numpy().astype(np.int64),
    )


def _by_hour(looks: pl.DataFrame, row: str, count: int) -> csr_matrix:
    places = (looks[row].to_numpy(), looks["looked_hour"].to_numpy())
    return csr_matrix((looks["weight"].to_numpy(), places), shape=(count, HOURS))


def _cohort_habits(looks: pl.DataFrame, habits: Mapping[str, Habit], cohorts: pl.DataFrame) -> Numbers:
    seen = looks.join(cohorts, on=["channel", "cohort"]).group_by("number", "looked_hour").agg(pl.col("weight").sum())
    counts = _by_hour(seen, "number", cohorts.height).toarray() @ kernel()
    nobody = np.full(HOURS, 1 / HOURS)
    channel = np.array([habits[name].usual if name in habits else nobody for name in cohorts["channel"]])
    drawn = counts + COHORT_DRAWN_BY * channel.reshape(-1, HOURS)
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def usual_hours(evidence: Evidence, sharing: Sharing) -> Iterator[Numbers]:
    """The usual hours of all rows, some rows at a time."""
    count = len(evidence.cohort)
    for start in range(0, count, ROWS_AT_ONCE):
        yield evidence.usual(slice(start, min(start + ROWS_AT_ONCE, count)), sharing)


def choose_sharing(weighed_looks: pl.DataFrame, habits: Mapping[str, Habit]) -> Sharing:
    """The sharing under which each look is foretold best by all others of the person, the cohort and the channel.

    Of people drawn in the order of their ids, at most some `SAMPLED_ROWS` rows count; with few looks, the default.
    """
    if weighed_looks["looks"].sum() < MIN_LOOKS:
        return Sharing()
    asked = (
        weighed_looks.select(*KEY, "cohort")
        .unique()
        .sort(KEY)
        .gather_every(max(1, weighed_looks.height // SAMPLED_ROWS))
    )
    evidence = gather(weighed_looks, habits, asked)
    looks = weighed_looks.join(asked.with_row_index("row").select("row", *KEY), on=KEY)
    scores = [_left_out(looks, evidence, habits, sharing) for sharing in SHARINGS]
    return SHARINGS[int(np.argmax(scores))]


def _left_out(looks: pl.DataFrame, evidence: Evidence, habits: Mapping[str, Habit], sharing: Sharing) -> float:
    """Σ log of the chance that each look's hour gets from everything but that look."""
    row, hour, count = (looks[name].to_numpy().astype(np.int64) for name in ("row", "looked_hour", "looks"))
    arrived = looks["received_hour"].fill_null(NO_ARRIVAL).to_numpy().astype(np.int64)
    one = looks["weight"].to_numpy() / count
    shared = sharing.other_channels
    seen = evidence.own * (1 - shared) + evidence.everywhere * shared
    total = np.asarray(seen.sum(axis=1)).ravel()[row] - one + sharing.cohort
    smooth = kernel()
    at_hour = (
        (seen @ smooth)[row, hour] - one * smooth[0, 0] + sharing.cohort * evidence.cohorts[evidence.cohort[row], hour]
    )
    usual = np.maximum(at_hour, 1e-12) / total
    chance = _chance_of_hour(looks["channel"], habits, arrived, hour, usual)
    return float(count @ np.log(chance))


def _chance_of_hour(
    channel: pl.Series, habits: Mapping[str, Habit], arrived: Ints, hour: Ints, usual: Numbers
) -> Numbers:
    fading = np.array([habits[name].fading for name in habits])
    prompted = np.array([habits[name].prompted for name in habits])
    number = channel.replace_strict({name: place for place, name in enumerate(habits)}).to_numpy()
    mixed = prompted[number] * fading[number, (hour - arrived) % HOURS] + (1 - prompted[number]) * usual
    return np.where(arrived == NO_ARRIVAL, usual, mixed)


def best_hours(looks: pl.DataFrame) -> pl.DataFrame:
    """profile_id, channel, looked_count, best_hours (best first) of everybody who looked at a message of a channel.

    Args:
        looks: of weekdays, or of weekends: profile_id, channel, cohort, received_hour, looked_hour, looks.
    """
    habits = fit_habits(looks)
    habitual = weighed(looks, habits)
    asked = looks.group_by(*KEY, maintain_order=True).agg(pl.col("cohort").first(), looked_count=pl.col("looks").sum())
    sharing = choose_sharing(habitual, habits)
    best = [
        np.argsort(-usual.round(9), axis=1, kind="stable")[:, :BEST]
        for usual in usual_hours(gather(habitual, habits, asked), sharing)
    ]
    hours = np.concatenate(best) if best else np.empty((0, BEST))
    return asked.select(*KEY, pl.col("looked_count").cast(pl.Int64)).with_columns(
        best_hours=pl.Series(hours.astype(np.int32), dtype=pl.Array(pl.Int32, BEST)).cast(pl.List(pl.Int32))
    )
