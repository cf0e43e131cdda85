"""Channel preferences: the share of a channel's messages that a person responds to, with its uncertainty."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from cdp import tables
from cdp.policy import Scores
from cdp.scores import posterior
from cdp.warehouse import Warehouse
from pipelines.sql import statement


def prefer(warehouse: Warehouse, as_of: datetime, rules: Scores) -> None:
    """Write segments.channel_preferences as of a time, by the policy's rules."""
    parameters = {"as_of": as_of, "half_life_days": rules.half_life_days, "reply_weight": rules.reply_weight}
    responses = warehouse.query(statement("responses"), parameters)
    reach = warehouse.query("select profile_id, channel, reachable from reach")
    hours = warehouse.query(statement("best_hours"))
    timezones = warehouse.query("select profile_id, timezone from profiles.profiles")
    warehouse.replace_rows(tables.CHANNEL_PREFERENCES, preferences(responses, reach, hours, timezones, rules))


def preferences(
    responses: pl.DataFrame, reach: pl.DataFrame, hours: pl.DataFrame, timezones: pl.DataFrame, rules: Scores
) -> pl.DataFrame:
    """One row per profile and channel that it has an address or a history on.

    The score is that of `cdp/scores.py`; the prior is the channel's own decayed rate over all profiles. Without an
    address there is no score.

    Args:
        responses: profile_id, channel, received_count, response_count, decayed_received, decayed_responses.
        reach: profile_id, channel, reachable.
        hours: profile_id, channel, best_hours.
        timezones: profile_id, timezone.
    """
    counts = ("received_count", "response_count", "decayed_received", "decayed_responses")
    joined = (
        reach.join(responses, on=["profile_id", "channel"], how="full", coalesce=True)
        .join(hours, on=["profile_id", "channel"], how="left")
        .join(timezones, on="profile_id", how="left")
        .join(_priors(responses), on="channel", how="left")
        .with_columns(pl.col("reachable").fill_null(False), pl.col(*counts, "prior").fill_null(0))
    )
    return _scored(joined, rules.prior_weight).sort("profile_id", "channel")


def _priors(responses: pl.DataFrame) -> pl.DataFrame:
    """channel, prior: its responses per message received, over everybody."""
    received, answered = pl.col("decayed_received").sum(), pl.col("decayed_responses").sum()
    return responses.group_by("channel").agg(
        pl.when(received > 0).then((answered / received).clip(0.0001, 0.9999).round(6)).otherwise(0.0).alias("prior")
    )


def _scored(rows: pl.DataFrame, prior_weight: float) -> pl.DataFrame:
    received, answered, prior = (rows[name].to_numpy() for name in ("decayed_received", "decayed_responses", "prior"))
    score, low, high = posterior(received, answered, prior, prior_weight)
    bounds = rows.with_columns(score=pl.Series(score), low=pl.Series(low), high=pl.Series(high))
    reachable = pl.col("reachable")
    return bounds.with_columns(
        pl.when(reachable).then(pl.col(name).round(6)).alias(name) for name in ("score", "low", "high")
    ).select(tables.CHANNEL_PREFERENCES.column_names())
