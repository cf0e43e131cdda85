"""Channel preferences: what share of a channel's messages a person answers, how sure that is, and the best hours."""

from __future__ import annotations

from datetime import datetime
from math import ceil

import polars as pl

from cdp import tables
from cdp.policy import Scores
from cdp.scores import posterior
from cdp.warehouse import Warehouse
from pipelines.behaviour.best_hours import best_hours
from pipelines.behaviour.half_life import choose_half_life
from pipelines.behaviour.rates import fit_spread
from pipelines.sql import statement

# The half-life is chosen on the messages of about so many people.
SAMPLED_PEOPLE = 50_000

LOOKS_COUNTED = """
    select profile_id, channel, is_local, is_weekend, received_hour, looked_hour, count(*) as looks
    from looks group by all order by all
"""

_COUNTS = ("received_count", "response_count", "decayed_received", "decayed_responses")


def prefer(warehouse: Warehouse, as_of: datetime, rules: Scores) -> None:
    """Write segments.channel_preferences as of a time. What the policy does not pin is fitted to the messages."""
    warehouse.run(statement("deliveries"), {"reply_weight": rules.reply_weight}, name="deliveries")
    half_life_days = rules.half_life_days or choose_half_life(sampled_messages(warehouse))
    responses = warehouse.query(statement("responses"), {"as_of": as_of, "half_life_days": half_life_days})
    reach = warehouse.query("select profile_id, channel, reachable from reach")
    warehouse.run(statement("looks"), name="looks")
    looks = warehouse.query(LOOKS_COUNTED)
    timezones = warehouse.query("select profile_id, timezone from profiles.profiles")
    rows = preferences(responses, reach, _hours(looks), timezones, half_life_days, rules.prior_weight)
    warehouse.replace_rows(tables.CHANNEL_PREFERENCES, rows)


def sampled_messages(warehouse: Warehouse) -> pl.DataFrame:
    """Messages received, of the temporary table `deliveries`: of all people, or of a sample, the same in each run."""
    people = warehouse.scalar("select count(distinct profile_id) from deliveries")
    return warehouse.query(statement("sampled_deliveries"), {"every": max(1, ceil(people / SAMPLED_PEOPLE))})


def preferences(
    responses: pl.DataFrame,
    reach: pl.DataFrame,
    hours: pl.DataFrame,
    timezones: pl.DataFrame,
    half_life_days: float,
    prior_weight: float | None,
) -> pl.DataFrame:
    """One row per profile and channel that it has an address or a history on.

    The score is that of `cdp/scores.py`; its prior comes from the spread of rates on the channel over all profiles, or
    is the channel's own rate with the weight `prior_weight`. Without an address there is no score.

    Args:
        responses: profile_id, channel, received_count, response_count, decayed_received, decayed_responses, answered.
        reach: profile_id, channel, reachable.
        hours: profile_id, channel, best_hours, weekend_best_hours, looked_count, weekend_looked_count.
        timezones: profile_id, timezone.
    """
    joined = (
        reach.join(responses, on=["profile_id", "channel"], how="full", coalesce=True)
        .join(hours, on=["profile_id", "channel"], how="left")
        .join(timezones, on="profile_id", how="left")
        .with_columns(
            pl.col("reachable").fill_null(False),
            pl.col(*_COUNTS, "answered", "looked_count", "weekend_looked_count").fill_null(0),
            half_life_days=pl.lit(half_life_days),
        )
    )
    channels = joined.partition_by("channel", maintain_order=True) or [joined]
    scored = pl.concat([_scored(_with_prior(rows, prior_weight)) for rows in channels])
    return scored.select(tables.CHANNEL_PREFERENCES.column_names()).sort("profile_id", "channel")


def _with_prior(rows: pl.DataFrame, prior_weight: float | None) -> pl.DataFrame:
    """The rows of a channel with prior and prior_weight."""
    received = rows["received_count"].cast(pl.Float64).to_numpy()
    spread = fit_spread(received, rows["answered"].to_numpy())
    if prior_weight is not None:
        return rows.with_columns(prior=pl.lit(spread.rate).round(6), prior_weight=pl.lit(prior_weight))
    prior = spread.priors(rows["decayed_received"].to_numpy(), rows["decayed_responses"].to_numpy())
    return rows.with_columns(prior=pl.Series(prior.rate).round(6), prior_weight=pl.Series(prior.weight).round(6))


def _scored(rows: pl.DataFrame) -> pl.DataFrame:
    columns = ("decayed_received", "decayed_responses", "prior", "prior_weight")
    score, low, high = posterior(*(rows[name].to_numpy() for name in columns))
    bounds = rows.with_columns(score=pl.Series(score), low=pl.Series(low), high=pl.Series(high))
    reachable = pl.col("reachable")
    return bounds.with_columns(
        pl.when(reachable).then(pl.col(name).round(6)).alias(name) for name in ("score", "low", "high")
    )


def _hours(looks: pl.DataFrame) -> pl.DataFrame:
    """profile_id, channel and the best hours of weekdays and of weekends, with the looks that they rest on."""
    weekdays, weekends = (_best_hours(looks.filter(is_weekend=is_weekend)) for is_weekend in (False, True))
    names = {"best_hours": "weekend_best_hours", "looked_count": "weekend_looked_count"}
    return weekdays.join(weekends.rename(names), on=["profile_id", "channel"], how="full", coalesce=True)


def _best_hours(looks: pl.DataFrame) -> pl.DataFrame:
    """Hours in UTC tell nothing about local ones, so who has no time zone is apart."""
    return pl.concat([best_hours(looks.filter(is_local=is_local)) for is_local in (True, False)])
