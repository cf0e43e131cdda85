"""How fast evidence ages: the half-life under which earlier messages best predict later ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import polars as pl

from cdp.decision.posterior import DEFAULT_HALF_LIFE_DAYS, posterior_mean
from pipelines.preferences.rates import Numbers, Spread, fit_spread

HALF_LIVES_DAYS = (15, 30, 60, 120, 240, 480, 960, 1920)
# The last quarter of the messages is predicted.
EARLIER_SHARE = 0.75
MIN_MESSAGES, MIN_ANSWERS = 1_000, 100
KEY = ["profile_id", "channel"]
# Bounds the loss of a rule that gave an outcome no chance.
LEAST_CHANCE = 0.001
NOBODY = Spread(0.0)


Spreads = Mapping[str, Spread]


def choose_half_life(messages: pl.DataFrame) -> float:
    """The half-life among `HALF_LIVES_DAYS` under which the earlier messages predict the later ones with the least
    log-loss.

    The default if there are too few later messages or answers.

    Args:
        messages: profile_id, channel, received_at, answered_at (null: not answered), answered (0 to 1).
    """
    cut = messages["received_at"].quantile(EARLIER_SHARE, "nearest")
    if not isinstance(cut, datetime):
        return DEFAULT_HALF_LIFE_DAYS
    earlier, later = split_at(messages, cut)
    if later.height < MIN_MESSAGES or later["answered"].sum() < MIN_ANSWERS:
        return DEFAULT_HALF_LIFE_DAYS
    spreads = fit_spreads(earlier)
    losses = [_loss(spreads, counts_at(earlier, cut, float(days)), later) for days in HALF_LIVES_DAYS]
    return float(HALF_LIVES_DAYS[int(np.argmin(losses))])


def split_at(messages: pl.DataFrame, cut: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(the messages received up to `cut`, as known at that time; the later ones)."""
    known = pl.when(pl.col("answered_at") <= cut).then("answered").otherwise(0.0)
    is_earlier = pl.col("received_at") <= cut
    return messages.filter(is_earlier).with_columns(answered=known), messages.filter(~is_earlier)


def fit_spreads(messages: pl.DataFrame) -> Spreads:
    """The distribution of people's rates on each channel."""
    counts = messages.group_by(KEY, maintain_order=True).agg(
        received=pl.len().cast(pl.Float64), answered=pl.col("answered").sum()
    )
    return {
        str(channel): fit_spread(rows["received"].to_numpy(), rows["answered"].to_numpy())
        for (channel,), rows in counts.group_by("channel", maintain_order=True)
    }


def counts_at(messages: pl.DataFrame, at: datetime, half_life_days: float) -> pl.DataFrame:
    """profile_id, channel, received and answered, decayed as of a time."""
    age_days = (pl.lit(at) - pl.col("received_at")).dt.total_seconds() / 86_400
    weighed = messages.with_columns(weight=(-age_days * np.log(2) / half_life_days).exp())
    return weighed.group_by(KEY, maintain_order=True).agg(
        received=pl.col("weight").sum(), answered=(pl.col("weight") * pl.col("answered")).sum()
    )


def chances(spreads: Spreads, counts: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """`asked` (profile_id, channel, …) with `p`, the chance of an answer given the decayed counts."""
    joined = asked.join(counts.select(*KEY, "received", "answered"), on=KEY, how="left", maintain_order="left")
    joined = joined.with_columns(pl.col("received", "answered").fill_null(0))
    parts = [
        rows.with_columns(p=pl.Series(_means(spreads.get(str(channel), NOBODY), rows)))
        for (channel,), rows in joined.group_by("channel", maintain_order=True)
    ]
    return pl.concat(parts) if parts else joined.with_columns(p=pl.lit(0.0))


def _means(spread: Spread, counts: pl.DataFrame) -> Numbers:
    received, answered = counts["received"].to_numpy(), counts["answered"].to_numpy()
    means: Numbers = posterior_mean(received, answered, *spread.priors(received, answered))
    return means


def log_losses(p: Numbers, happened: Numbers) -> Numbers:
    """−log of the predicted chance of the outcome, in nats; `happened` may be a share."""
    p = np.clip(p, LEAST_CHANCE, 1 - LEAST_CHANCE)
    return np.asarray(-(happened * np.log(p) + (1 - happened) * np.log1p(-p)))


def _loss(spreads: Spreads, counts: pl.DataFrame, later: pl.DataFrame) -> float:
    predicted = chances(spreads, counts, later.rename({"answered": "happened"}))
    return float(log_losses(predicted["p"].to_numpy(), predicted["happened"].to_numpy()).mean())
