"""Channel preferences: the share of a channel's messages that a person answers, its uncertainty, and the best hours."""

from __future__ import annotations

from datetime import datetime
from math import ceil

import numpy as np
import polars as pl

from cdp import tables
from cdp.decision.policy import Scores
from cdp.decision.posterior import posterior
from cdp.warehouse import Warehouse
from pipelines.preferences.best_hours import best_hours
from pipelines.preferences.half_life import choose_half_life
from pipelines.preferences.rates import Prior, fit_spread
from pipelines.statements import statement

# The half-life is chosen on the messages of about this many people.
SAMPLED_PEOPLE = 50_000

LOOKS_COUNTED = """
    select p.profile_id, l.* exclude (person)
    from (
        select person, channel, is_local, is_weekend, received_hour, opened_hour, count(*) as opens
        from opens group by all) l
    join profiles.profiles p on p.rowid = l.person
    order by all
"""

# The counts that determine a score.
_COUNTS = ("decayed_received", "decayed_responses")


def prefer(warehouse: Warehouse, as_of: datetime, rules: Scores) -> None:
    """Write segments.channel_preferences as of a time. Parameters that the policy does not set are fitted to the
    messages."""
    warehouse.run(statement("preferences/deliveries"), {"reply_weight": rules.reply_weight}, name="deliveries")
    half_life_days = rules.half_life_days or choose_half_life(sampled_messages(warehouse))
    evidence = warehouse.query(statement("preferences/evidence"), {"as_of": as_of, "half_life_days": half_life_days})
    warehouse.run(statement("preferences/opens"), name="opens")
    hours = _hours(warehouse.query(LOOKS_COUNTED))
    rows = preferences(evidence, hours, half_life_days, rules.prior_weight)
    warehouse.replace_rows(tables.CHANNEL_PREFERENCES, rows)


def sampled_messages(warehouse: Warehouse) -> pl.DataFrame:
    """The received messages in the temporary table `deliveries`: of all people, or of a sample that is stable across
    runs."""
    people = warehouse.scalar("select count(distinct person) from deliveries")
    every = max(1, ceil(people / SAMPLED_PEOPLE))
    return warehouse.query(statement("preferences/sampled_deliveries"), {"every": every})


def preferences(
    evidence: pl.DataFrame, hours: pl.DataFrame, half_life_days: float, prior_weight: float | None
) -> pl.DataFrame:
    """One row per profile and channel of the evidence.

    The score is the posterior mean of `cdp/decision/posterior.py`. Its prior comes from the distribution of rates on
    the channel over all profiles, or is the channel's overall rate with the weight `prior_weight`. Unreachable channels
    have no score.

    Args:
        evidence: profile_id, channel, timezone, reachable, received_count, response_count, decayed_received,
            decayed_responses, answered.
        hours: profile_id, channel, best_hours, weekend_best_hours, opened_count, weekend_opened_count.
    """
    channels = evidence.partition_by("channel", maintain_order=True) or [evidence]
    scored = pl.concat([_scored(rows, prior_weight) for rows in channels])
    return (
        scored.join(hours, on=["profile_id", "channel"], how="left")
        .with_columns(
            pl.col("opened_count", "weekend_opened_count").fill_null(0),
            pl.when("reachable").then(pl.col("score", "low", "high")),
            half_life_days=pl.lit(half_life_days),
        )
        .select(tables.CHANNEL_PREFERENCES.column_names())
        .sort("profile_id", "channel")
    )


def _scored(rows: pl.DataFrame, prior_weight: float | None) -> pl.DataFrame:
    """The rows of a channel with prior, prior_weight, score, low and high, computed once per distinct pair of
    counts."""
    spread = fit_spread(rows["received_count"].cast(pl.Float64).to_numpy(), rows["answered"].to_numpy())
    counts = rows.select(_COUNTS).unique()
    received, answered = (counts[name].to_numpy() for name in _COUNTS)
    if prior_weight is None:
        prior = spread.priors(received, answered)
    else:
        prior = Prior(np.full(counts.height, spread.rate), np.full(counts.height, prior_weight))
    counts = counts.with_columns(prior=pl.Series(prior.rate).round(6), prior_weight=pl.Series(prior.weight).round(6))
    found = posterior(received, answered, counts["prior"].to_numpy(), counts["prior_weight"].to_numpy())
    known = dict(zip(("score", "low", "high"), found, strict=True))
    return rows.join(counts.with_columns(pl.Series(known[name]).round(6).alias(name) for name in known), on=_COUNTS)


def _hours(opens: pl.DataFrame) -> pl.DataFrame:
    """profile_id, channel, and the best hours of weekdays and of weekends with the number of opens behind them."""
    weekdays, weekends = (_best_hours(opens.filter(is_weekend=is_weekend)) for is_weekend in (False, True))
    names = {"best_hours": "weekend_best_hours", "opened_count": "weekend_opened_count"}
    return weekdays.join(weekends.rename(names), on=["profile_id", "channel"], how="full", coalesce=True)


def _best_hours(opens: pl.DataFrame) -> pl.DataFrame:
    """Hours in UTC say nothing about local hours, so people without a time zone are fitted separately."""
    return pl.concat([best_hours(opens.filter(is_local=is_local)) for is_local in (True, False)])
