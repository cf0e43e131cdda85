"""Channel scores and best hours against the true ones of a simulation, with an upper bound.

The upper bound: on the same messages, no rule names the best channel (or hour) more often than one that knows the true
distribution of rates (hours) over all people and takes the most probable: Bayes' rule with the true prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from cdp.channels import MESSAGE_CHANNELS
from cdp.errors import InputRefused
from cdp.warehouse import Warehouse
from pipelines.preferences.hours import HOURS, NO_ARRIVAL, WITHIN_HOURS, Ints, Numbers, apart, fit_habit
from pipelines.statements import statement

_ROWS_AT_ONCE = 2_000
RATES = [f"p_{channel}" for channel in MESSAGE_CHANNELS]
COLUMNS = ["file", "line_number", "person_id", "best_channel", "best_hour"]


@dataclass(frozen=True)
class Top1:
    """Of people who have a choice: the share for whom the best was named, and the upper bound of that share."""

    people: int
    named: float
    allowed: float


@dataclass(frozen=True)
class TruthEvaluation:
    """channel: among at least two channels that are reachable in both the truth and the profile. hour: on weekdays,
    within an hour of the true one, for people who opened a message. held: the share of true rates within the 90%
    interval."""

    people: int
    channel: Top1 | None
    hour: Top1 | None
    held: float | None


def evaluate_truth(warehouse: Warehouse, folder: Path) -> TruthEvaluation:
    """Compare the published preferences with `truth.csv` in `folder`.

    Raises:
        InputRefused: the file is missing, or is about other people.
    """
    truth = read_truth(folder / "truth.csv")
    with warehouse.frame("line_truth", truth.select("file", "line_number", "person_id")):
        pairs = warehouse.query(statement("evaluation/people_of_lines"))
    if pairs.is_empty():
        raise InputRefused(
            "no line of it is in the warehouse",
            where=str(folder / "truth.csv"),
            hint="Run `cdp run` on the files of this simulation",
        )
    people = truth.drop("file", "line_number").unique("person_id", maintain_order=True)
    known = pairs.join(people, on="person_id", maintain_order="left")
    preferences = warehouse.query("select * from segments.channel_preferences order by profile_id, channel")
    counts = warehouse.query(
        "select p.profile_id, d.channel::varchar as channel, count(*)::double as n, sum(d.answered) as k "
        "from deliveries d join profiles.profiles p on p.rowid = d.person where d.received_at is not null group by all"
    )
    weekdays = (
        "select * from opens where is_local and not is_weekend order by profile_id, channel, opened_at, received_at"
    )
    return TruthEvaluation(
        known.height,
        _channels(known, people, preferences, counts),
        _hours(known, preferences, warehouse.query(weekdays)),
        _held(known, preferences),
    )


def read_truth(path: Path) -> pl.DataFrame:
    """A simulation's truth, one row per line: file, line_number, person_id, best_channel, best_hour, p_<channel>.

    Of a channel that was not simulated, p_<channel> is null.

    Raises:
        InputRefused: the file is missing or not such a table.
    """
    try:
        table = pl.read_csv(path, infer_schema=False)
    except OSError as error:
        hint = "Name a folder written by `cdp simulate`"
        raise InputRefused("no such file", where=str(path), hint=hint) from error
    except pl.exceptions.PolarsError as error:
        raise InputRefused(
            "not a CSV table", where=str(path), hint="Expected the truth.csv of `cdp simulate`"
        ) from error
    rates = [name for name in RATES if name in table.columns]
    missing = [name for name in (*COLUMNS, *(() if rates else RATES)) if name not in table.columns]
    if missing:
        raise InputRefused(
            f"missing column {missing[0]}", where=str(path), hint="Expected the truth.csv of `cdp simulate`"
        )
    return table.select(
        *COLUMNS[:1], pl.col("line_number").cast(pl.Int64, strict=False), "person_id", "best_channel",
        pl.col("best_hour").cast(pl.Int64, strict=False), pl.col(rates).cast(pl.Float64, strict=False),
        *(pl.lit(None, pl.Float64).alias(name) for name in RATES if name not in rates),
    )  # fmt: skip


def _true_rates(known: pl.DataFrame) -> pl.DataFrame:
    """profile_id, channel, rate: of the channels that truly reach the person."""
    long = known.unpivot(RATES, index="profile_id", variable_name="channel", value_name="rate").drop_nulls("rate")
    return long.with_columns(pl.col("channel").str.strip_prefix("p_"))


def _channels(
    known: pl.DataFrame, people: pl.DataFrame, preferences: pl.DataFrame, counts: pl.DataFrame
) -> Top1 | None:
    key = ["profile_id", "channel"]
    choices = _true_rates(known).join(preferences.drop_nulls("score").select(*key, "score"), on=key)
    choices = choices.filter(pl.len().over("profile_id") > 1).join(counts, on=key, how="left")
    if choices.is_empty():
        return None
    wide = choices.with_columns(pl.col("n", "k").fill_null(0)).pivot(
        "channel", index="profile_id", values=["rate", "score", "n", "k"], maintain_order=True
    )
    channels = [channel for channel in MESSAGE_CHANNELS if f"rate_{channel}" in wide.columns]
    rate, score, received, answered = (
        wide.select(f"{name}_{channel}" for channel in channels).to_numpy() for name in ("rate", "score", "n", "k")
    )
    spread = people.select(f"p_{channel}" for channel in channels).to_numpy()
    named = allowed = 0
    choice = ~np.isnan(rate) @ (1 << np.arange(len(channels)))
    for one in np.unique(choice):
        rows, columns = np.flatnonzero(choice == one), np.flatnonzero(one >> np.arange(len(channels)) & 1)
        within = np.ix_(rows, columns)
        best = rate[within].argmax(axis=1)
        true = spread[:, columns]
        probable = _most_probable(received[within], answered[within], true[~np.isnan(true).any(axis=1)])
        named += int((score[within].argmax(axis=1) == best).sum())
        allowed += int((probable == best).sum())
    return Top1(wide.height, named / wide.height, allowed / wide.height)


def _most_probable(received: Numbers, answered: Numbers, spread: Numbers) -> Ints:
    """The most probable best channel, given the counts and all people's true rates on these channels."""
    is_best = np.eye(spread.shape[1])[spread.argmax(axis=1)]
    log, log_rest = np.log(spread).T, np.log1p(-spread).T
    answered = np.minimum(answered, received)
    parts = []
    for start in range(0, len(received), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        likelihood = answered[rows] @ log + (received[rows] - answered[rows]) @ log_rest
        weights = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        parts.append((weights @ is_best).argmax(axis=1))
    return np.concatenate(parts)


def _hours(known: pl.DataFrame, preferences: pl.DataFrame, opens: pl.DataFrame) -> Top1 | None:
    named = preferences.filter(pl.col("opened_count") > 0, pl.col("timezone").is_not_null())
    named = named.sort("opened_count", "channel", descending=[True, False]).unique("profile_id", maintain_order=True)
    people = named.join(known.drop_nulls("best_hour").select("profile_id", "best_hour"), on="profile_id")
    people = people.with_row_index("row")
    if people.is_empty():
        return None
    true = people["best_hour"].to_numpy()
    first = people["best_hours"].list.first().to_numpy().astype(np.int64)
    hits = (apart(first, true) <= WITHIN_HOURS).mean()
    probable = _most_probable_hour(opens.join(people.select("row", "profile_id"), on="profile_id"), true)
    return Top1(people.height, float(hits), float((apart(probable, true) <= WITHIN_HOURS).mean()))


def _most_probable_hour(opens: pl.DataFrame, true: Ints) -> Ints:
    """The hour that is most probably within an hour of the true one, given the person's opens and the hours at which
    people of each true hour open messages."""
    row, opened = (opens[name].to_numpy().astype(np.int64) for name in ("row", "opened_hour"))
    arrived = opens["received_hour"].fill_null(NO_ARRIVAL).to_numpy().astype(np.int64)
    habit = fit_habit(opens.with_columns(opens=pl.lit(1, dtype=pl.Int64)))
    own = habit.habitual(arrived, opened)
    counts = np.bincount(true[row] * HOURS + opened, own, HOURS * HOURS).reshape(HOURS, HOURS) + 0.01
    by_hour: Numbers = np.asarray(counts / counts.sum(axis=1, keepdims=True), dtype=np.float64)
    share = np.bincount(true, minlength=HOURS) / len(true)
    log = np.full((len(true), HOURS), -np.inf)
    for hour in np.flatnonzero(share):
        chance = habit.chances(arrived, by_hour[[hour]])[np.arange(len(opened)), opened]
        log[:, hour] = np.log(share[hour]) + np.bincount(row, np.log(chance), len(true))
    weights = np.exp(log - log.max(axis=1, keepdims=True))
    near = apart(np.arange(HOURS)[:, None], np.arange(HOURS)) <= WITHIN_HOURS
    return np.asarray((weights @ near).argmax(axis=1))


def _held(known: pl.DataFrame, preferences: pl.DataFrame) -> float | None:
    scored = _true_rates(known).join(preferences.drop_nulls("score"), on=["profile_id", "channel"])
    held = scored.filter(pl.col("received_count") > 0).select(pl.col("rate").is_between("low", "high").mean()).item()
    return None if held is None else float(held)
