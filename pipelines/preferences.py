"""Channel preferences: the share of a channel's messages that a person responds to, with its uncertainty."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from scipy.special import betaincinv

from cdp import tables
from cdp.warehouse import Warehouse
from pipelines.sql import statement

HALF_LIFE_DAYS = 60.0
# How many messages' worth of trust the channel's own rate has over a person's.
PRIOR_WEIGHT = 10.0
INTERVAL = 0.90


def prefer(warehouse: Warehouse, as_of: datetime) -> None:
    """Write segments.channel_preferences as of a time."""
    responses = warehouse.query(statement("responses"), {"as_of": as_of, "half_life_days": HALF_LIFE_DAYS})
    reach = warehouse.query("select profile_id, channel, reachable from reach")
    hours = warehouse.query(statement("best_hours"))
    timezones = warehouse.query("select profile_id, timezone from profiles.profiles")
    warehouse.replace_rows(tables.CHANNEL_PREFERENCES, preferences(responses, reach, hours, timezones))


def preferences(
    responses: pl.DataFrame, reach: pl.DataFrame, hours: pl.DataFrame, timezones: pl.DataFrame
) -> pl.DataFrame:
    """One row per profile and channel that it has an address or a history on.

    The score is the mean of a Beta posterior, (decayed responses + m·prior) / (decayed received + m), where
    the prior is the channel's own decayed rate over all profiles; low and high are its 90% interval. Without
    an address there is no score.

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
    return _scored(joined).sort("profile_id", "channel")


def _priors(responses: pl.DataFrame) -> pl.DataFrame:
    """channel, prior: its responses per message received, over everybody."""
    received, answered = pl.col("decayed_received").sum(), pl.col("decayed_responses").sum()
    return responses.group_by("channel").agg(
        pl.when(received > 0).then((answered / received).clip(0.0001, 0.9999).round(6)).otherwise(0.0).alias("prior")
    )


def _scored(rows: pl.DataFrame) -> pl.DataFrame:
    # Somebody may answer more often than messages came, on WhatsApp say: a share stays a share.
    answered = pl.min_horizontal("decayed_responses", "decayed_received")
    shaped = rows.with_columns(
        alpha=answered + PRIOR_WEIGHT * pl.col("prior"),
        beta=pl.col("decayed_received") - answered + PRIOR_WEIGHT * (1 - pl.col("prior")),
    )
    alpha, beta = shaped["alpha"].to_numpy(), shaped["beta"].to_numpy()
    tail = (1 - INTERVAL) / 2
    bounds = shaped.with_columns(
        score=pl.col("alpha") / (pl.col("alpha") + pl.col("beta")),
        low=pl.Series(betaincinv(alpha.clip(1e-6), beta, tail)),
        high=pl.Series(betaincinv(alpha.clip(1e-6), beta, 1 - tail)),
    )
    # Where next to nothing is known of a channel that hardly anybody answers, the mean lies outside the interval.
    bounds = bounds.with_columns(low=pl.min_horizontal("low", "score"), high=pl.max_horizontal("high", "score"))
    reachable = pl.col("reachable")
    return bounds.with_columns(
        pl.when(reachable).then(pl.col(name).round(6)).alias(name) for name in ("score", "low", "high")
    ).select(tables.CHANNEL_PREFERENCES.column_names())
