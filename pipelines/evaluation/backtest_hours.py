"""Backtest of best hours: how well they predict when people open later messages, compared with simpler rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl

from pipelines.evaluation.measures import (
    Bin,
    Estimate,
    Groups,
    calibration,
    mean_by_person,
    numbered,
)
from pipelines.preferences.best_hours import KEY, fit_clock
from pipelines.preferences.half_life import LEAST_CHANCE
from pipelines.preferences.hours import HOURS, NO_ARRIVAL, WITHIN_HOURS, Habit, Ints, Numbers, apart, by_nearness

RULES = ("person", "population", "last open", "raw counts")
MIN_OPENS = 500
NO_HABIT = Habit(0.0, np.full(HOURS, 1 / HOURS), np.full(HOURS, 1 / HOURS))


@dataclass(frozen=True)
class HourRuleResult:
    """How well a rule predicted the hours of opens. `worse_by`: its log-loss minus that of the person's own hours;
    `hit_rate`: the share of opens within an hour of the rule's best hour; `fewer_hits_by`: the hit rate of the person's
    own hours minus the rule's."""

    rule: str
    log_loss: float
    worse_by: Estimate
    hit_rate: Estimate
    fewer_hits_by: Estimate


@dataclass(frozen=True)
class HourEvaluation:
    """Results on the later opens of people with earlier ones. deciles: over the chances of all hours, 24 cases per
    open."""

    earlier_opens: int
    opens: int
    people: int
    rules: list[HourRuleResult]
    deciles: list[Bin]


def evaluate_hours(earlier: pl.DataFrame, later: pl.DataFrame, seed: int) -> HourEvaluation | None:
    """Fit on `earlier` opens and predict the hours of `later` ones of the same people; None if there are too few.

    Args:
        earlier, later: one open per row: profile_id, channel, is_local, is_weekend, received_hour, opened_hour,
        opened_at.
    """
    known = later.join(earlier.select("profile_id", "is_weekend").unique(), on=["profile_id", "is_weekend"])
    kinds = product((True, False), (False, True))
    if known.height < MIN_OPENS:
        return None
    parts = [
        _predicted(*(opens.filter(is_local=is_local, is_weekend=is_weekend) for opens in (earlier, known)))
        for is_local, is_weekend in kinds
    ]
    hour = np.concatenate([part.hour for part in parts])
    people = numbered([name for part in parts for name in part.profile_ids])
    chance = {rule: np.concatenate([part.chance[rule] for part in parts]) for rule in RULES}
    best = {rule: np.concatenate([part.best[rule] for part in parts]) for rule in RULES}
    happened = (np.arange(HOURS) == hour[:, None]).astype(np.float64)
    return HourEvaluation(
        earlier.height,
        len(hour),
        int(people.max()) + 1,
        _results(chance, best, hour, people, seed),
        calibration(chance["person"].ravel(), happened.ravel()),
    )


@dataclass(frozen=True)
class _Part:
    """The later opens of one kind: each rule's 24 chances and best hour."""

    profile_ids: list[str]
    hour: Ints
    chance: Mapping[str, Numbers]
    best: Mapping[str, Ints]


def _predicted(earlier: pl.DataFrame, later: pl.DataFrame) -> _Part:
    known = counted(earlier)
    clock = fit_clock(known)
    habits = clock.habits
    asked = later.select(KEY).unique(maintain_order=True)
    row = later.join(asked.with_row_index("row"), on=KEY, how="left", maintain_order="left")["row"].to_numpy()
    general = np.array([_of(habits, channel).usual for channel in asked["channel"]]).reshape(-1, HOURS)
    usual = {
        "person": np.concatenate([*clock.usual_hours(known, asked), np.empty((0, HOURS))]),
        "population": general,
        "last open": _last_opens(earlier, asked, general),
        "raw counts": _raw_counts(earlier, asked, general),
    }
    arrived = later["received_hour"].fill_null(NO_ARRIVAL).to_numpy().astype(np.int64)
    return _Part(
        later["profile_id"].to_list(),
        later["opened_hour"].to_numpy().astype(np.int64),
        {rule: _chances(later["channel"], habits, arrived, shares[row], rule) for rule, shares in usual.items()},
        {rule: by_nearness(shares)[row, 0] for rule, shares in usual.items()},
    )


def _of(habits: Mapping[str, Habit], channel: str) -> Habit:
    return habits.get(channel, NO_HABIT)


def _chances(channel: pl.Series, habits: Mapping[str, Habit], arrived: Ints, usual: Numbers, rule: str) -> Numbers:
    """A rule's chance of each hour. Raw counts are used as they are; the other rules allow for opens prompted by the
    arrival."""
    if rule == "raw counts":
        return usual
    chances = np.empty_like(usual)
    for name in channel.unique():
        rows = (channel == name).to_numpy()
        chances[rows] = _of(habits, name).chances(arrived[rows], usual[rows])
    return chances


def _last_opens(earlier: pl.DataFrame, asked: pl.DataFrame, general: Numbers) -> Numbers:
    """A mixture of the channel's habit and the hour of the person's last open. The last hour is weighted by the share
    of opens that repeat the hour of the previous one."""
    ordered = earlier.sort("profile_id", "opened_at", "channel")
    before = ordered.with_columns(before=pl.col("opened_hour").shift(1).over("profile_id")).drop_nulls("before")
    repeats = float(before.select((pl.col("before") == pl.col("opened_hour")).mean()).item() or 0.0)
    last = ordered.group_by("profile_id").agg(pl.col("opened_hour").last().alias("last"))
    hour = asked.join(last, on="profile_id", how="left", maintain_order="left")["last"].to_numpy()
    return np.asarray((1 - repeats) * general + repeats * np.eye(HOURS)[hour])


def _raw_counts(earlier: pl.DataFrame, asked: pl.DataFrame, general: Numbers) -> Numbers:
    """The shares of the person's own opens on the channel; the channel's habit if there are none."""
    rows = earlier.join(asked.select(KEY).with_row_index("row"), on=KEY)
    places = rows["row"].to_numpy().astype(np.int64) * HOURS + rows["opened_hour"].to_numpy()
    counts = np.bincount(places, minlength=asked.height * HOURS).reshape(-1, HOURS).astype(np.float64)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), general)


def counted(opens: pl.DataFrame) -> pl.DataFrame:
    """Identical opens as one row, with their number `opens`."""
    alike = ["profile_id", "channel", "is_weekend", "received_hour", "opened_hour"]
    return opens.group_by(alike, maintain_order=True).agg(opens=pl.len().cast(pl.Int64))


def _results(
    chance: Mapping[str, Numbers], best: Mapping[str, Ints], hour: Ints, people: Groups, seed: int
) -> list[HourRuleResult]:
    cases = np.arange(len(hour))
    losses = {rule: -np.log(np.maximum(chance[rule][cases, hour], LEAST_CHANCE)) for rule in RULES}
    hits = {rule: (apart(best[rule], hour) <= WITHIN_HOURS).astype(np.float64) for rule in RULES}
    return [
        HourRuleResult(
            rule,
            float(losses[rule].mean()),
            mean_by_person(losses[rule] - losses["person"], people, seed),
            mean_by_person(hits[rule], people, seed),
            mean_by_person(hits["person"] - hits[rule], people, seed),
        )
        for rule in RULES
    ]
