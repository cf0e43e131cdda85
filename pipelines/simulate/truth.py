"""The truth about the simulated people and campaigns, in the format of the truth files."""

from __future__ import annotations

import polars as pl

from pipelines.simulate.accounts import CHANNELS


def truth_of(people: pl.DataFrame, outs: pl.DataFrame) -> pl.DataFrame:
    """A row per person for `truth.csv`, keyed by `person` (the index over the whole simulation).

    A channel is reachable if there is a working contact point, consent, and no opt-out in the period. The true response
    probability is given for reachable channels only.
    """
    chances = people.hstack(outs).with_columns(_reachable_chance(channel) for channel in CHANNELS)
    return chances.select(
        pl.col("index").alias("person"), "person_id", "household_id", _best_channel(), "best_hour",
        "timezone",
        *(pl.col(f"p_{channel}") for channel in CHANNELS),
    )  # fmt: skip


def _reachable_chance(channel: str) -> pl.Expr:
    reachable = pl.col(f"can_{channel}") & pl.col(f"out_{channel}").is_null()
    if channel == "email":
        reachable &= pl.col("list_email_works")
    return pl.when(reachable).then(pl.col(f"p_{channel}").round(3))


def _best_channel() -> pl.Expr:
    chances = [pl.col(f"p_{channel}") for channel in CHANNELS]
    highest = pl.max_horizontal(chances)
    named = [pl.when(one == highest).then(pl.lit(channel)) for one, channel in zip(chances, CHANNELS, strict=True)]
    return pl.coalesce(named).alias("best_channel")


def campaign_truth(people: pl.DataFrame, assignment: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """A row per campaign and eligible person: arm, channel, time, true effect and orders.

    `effect` is the mean number of additional orders that treatment causes within `window_days` of `assigned_at`;
    `orders` counts all orders in that window, `caused` those that would not exist without the treatment.
    """
    person = people.select("person_id", "index").with_row_index("person").with_columns(pl.col("person").cast(pl.Int64))
    followed = (
        assignment.select("campaign", "person", "at", "window")
        .join(orders.select("person", "caused_by", ordered_at="at"), on="person")
        .filter(pl.col("ordered_at").is_between("at", pl.col("at") + pl.col("window"), closed="left"))
        .group_by("campaign", "person")
        .agg(orders=pl.len(), caused=(pl.col("caused_by") == pl.col("campaign")).sum())
    )
    rows = assignment.join(followed, on=["campaign", "person"], how="left", maintain_order="left")
    return rows.join(person, on="person", maintain_order="left").select(
        campaign_id="campaign",
        person_id="person_id",
        arm=pl.when("treated").then(pl.lit("treatment")).otherwise(pl.lit("control")),
        channel=pl.when("treated").then("channel"),
        assigned_at=pl.from_epoch("at", "ms").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        window_days=(pl.col("window") / 86_400_000).round(2),
        effect=pl.col("effect").round(4),
        orders=pl.col("orders").fill_null(0),
        caused=pl.col("caused").fill_null(0),
    )
