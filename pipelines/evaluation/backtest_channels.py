"""Backtest of channel scores: how well they predict unseen answers, compared with simpler rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from pipelines.evaluation.measures import (
    Bin,
    Estimate,
    Groups,
    Numbers,
    brier_scores,
    calibration,
    mean_by_person,
    numbered,
    ratio_of_sums,
)
from pipelines.preferences.half_life import (
    EARLIER_SHARE,
    KEY,
    MIN_ANSWERS,
    MIN_MESSAGES,
    chances,
    choose_half_life,
    counts_at,
    fit_spreads,
    log_losses,
    split_at,
)

RULES = ("score", "global rate", "channel rate", "last click", "raw rate")
POLICIES = ("best score", "one channel", "last clicked")
LEAST_SHARE = 0.01


@dataclass(frozen=True)
class RuleResult:
    """The accuracy of a rule. `worse_by`: its log-loss minus the score's."""

    rule: str
    log_loss: float
    brier: float
    worse_by: Estimate


@dataclass(frozen=True)
class PolicyResult:
    """The answer rate of messages sent where a policy would have sent them. `below_best_by`: the best score's rate
    minus the policy's."""

    policy: str
    messages: int
    answer_rate: Estimate
    below_best_by: Estimate


@dataclass(frozen=True)
class ChannelEvaluation:
    """Messages and people are those of the test period. `top1`: of the people who answered in it and have a choice of
    channels, the share whose best-scored channel is the one with their highest answer rate."""

    half_life_days: float
    earlier_messages: int
    messages: int
    people: int
    rules: list[RuleResult]
    deciles: list[Bin]
    top1: Estimate | None
    policies: list[PolicyResult]


def evaluate_channels(
    messages: pl.DataFrame, cut: datetime, half_life_days: float | None, seed: int
) -> ChannelEvaluation | None:
    """Fit on the messages received up to `cut`, as known at that time, and predict the answers to the later ones.

    None if there are too few later messages or answers.

    Args:
        messages: profile_id, channel, received_at, answered_at, answered.
        half_life_days: None: chosen from the earlier messages alone.
    """
    earlier, later = split_at(messages, cut)
    if later.height < MIN_MESSAGES or later["answered"].sum() < MIN_ANSWERS or earlier.is_empty():
        return None
    half_life = half_life_days or choose_half_life(earlier)
    cases = _predicted(earlier, later.rename({"answered": "happened"}), cut, half_life)
    people = numbered(cases["profile_id"].to_list())
    return ChannelEvaluation(
        half_life,
        earlier.height,
        cases.height,
        int(people.max()) + 1,
        _rules(cases, people, seed),
        calibration(cases["score"].to_numpy(), cases["happened"].to_numpy()),
        _top1(cases, seed),
        _policies(earlier, cases, cut, half_life, seed),
    )


def _predicted(earlier: pl.DataFrame, later: pl.DataFrame, cut: datetime, half_life_days: float) -> pl.DataFrame:
    """The later messages with the chance predicted by each rule, one column per rule."""
    scored = chances(fit_spreads(earlier), counts_at(earlier, cut, half_life_days), later).drop("received", "answered")
    by_channel = earlier.group_by("channel").agg(pl.col("answered").mean().alias("channel rate"))
    raw = earlier.group_by(KEY).agg(pl.col("answered").mean().alias("raw rate"))
    rate = earlier["answered"].mean()
    joined = scored.rename({"p": "score"}).join(by_channel, on="channel", how="left", maintain_order="left")
    joined = joined.join(raw, on=KEY, how="left", maintain_order="left")
    return _with_last_click(earlier, joined, cut).with_columns(
        pl.lit(rate).alias("global rate"),
        pl.col("channel rate").fill_null(rate),
        pl.col("raw rate").fill_null(pl.col("channel rate")).fill_null(rate),
    )


def _with_last_click(earlier: pl.DataFrame, later: pl.DataFrame, cut: datetime) -> pl.DataFrame:
    """Add the chances of the rule "last click": the answer rate on the channel clicked last, on other channels, and of
    people who have not clicked.

    The rates are measured on the last quarter of the earlier messages, given the rest: as the rule is applied after
    `cut`.
    """
    before = earlier["received_at"].quantile(EARLIER_SHARE, "nearest")
    first, then = split_at(earlier, before if isinstance(before, datetime) else cut)
    seen = _relation(then, first).group_by("relation").agg(pl.col("answered").mean().alias("last click"))
    found = _relation(later, earlier).join(seen, on="relation", how="left", maintain_order="left")
    return found.with_columns(pl.col("last click").fill_null(earlier["answered"].mean()))


def _relation(asked: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    clicked = last_clicked(before)
    joined = asked.join(clicked, on="profile_id", how="left", maintain_order="left")
    return joined.with_columns(
        relation=pl.when(pl.col("clicked").is_null())
        .then(pl.lit("none"))
        .when(pl.col("clicked") == pl.col("channel"))
        .then(pl.lit("same"))
        .otherwise(pl.lit("other"))
    )


def last_clicked(messages: pl.DataFrame) -> pl.DataFrame:
    """profile_id, clicked: the channel of each person's last answer."""
    answered = messages.filter(pl.col("answered") > 0).sort("answered_at", "channel")
    return answered.group_by("profile_id").agg(pl.col("channel").last().alias("clicked"))


def _rules(cases: pl.DataFrame, people: Groups, seed: int) -> list[RuleResult]:
    happened = cases["happened"].to_numpy()
    losses = {rule: log_losses(cases[rule].to_numpy(), happened) for rule in RULES}
    return [
        RuleResult(
            rule,
            float(loss.mean()),
            float(brier_scores(cases[rule].to_numpy(), happened).mean()),
            mean_by_person(loss - losses["score"], people, seed),
        )
        for rule, loss in losses.items()
    ]


def _top1(cases: pl.DataFrame, seed: int) -> Estimate | None:
    rates = cases.group_by(*KEY, maintain_order=True).agg(pl.col("score").first(), rate=pl.col("happened").mean())
    chosen = rates.filter(pl.len().over("profile_id") > 1, pl.col("rate").max().over("profile_id") > 0)
    if chosen.is_empty():
        return None
    best = chosen.sort("profile_id", "score", "channel", descending=[False, True, False]).group_by(
        "profile_id", maintain_order=True
    )
    hits = best.agg(hit=(pl.col("rate").first() == pl.col("rate").max()).cast(pl.Float64))
    return mean_by_person(hits["hit"].to_numpy(), np.arange(hits.height), seed)


def _policies(
    earlier: pl.DataFrame, cases: pl.DataFrame, cut: datetime, half_life_days: float, seed: int
) -> list[PolicyResult]:
    """Off-policy evaluation: the messages that were sent on the channel that a policy would have chosen, weighted by
    the inverse of that channel's share of messages among people with the same choice (Hájek's estimator).

    A person's choice is the channels on which messages reached them before the cut; people with a single channel are
    left out.
    """
    known = earlier.select(KEY).unique()
    spreads, counts = fit_spreads(earlier), counts_at(earlier, cut, half_life_days)
    scored = chances(spreads, counts, known.sort(KEY))
    choice = scored.group_by("profile_id").agg(
        pl.col("channel").sort().str.join(" ").alias("choice"),
        pl.len().alias("channels"),
        pl.col("channel").sort_by("p", "channel", descending=[True, False]).first().alias("best score"),
    )
    rates = earlier.group_by("channel").agg(rate=pl.col("answered").mean()).sort("rate", "channel", descending=True)
    choice = choice.join(last_clicked(earlier).rename({"clicked": "last clicked"}), on="profile_id", how="left")
    # "one channel": of the channels that reach the person, the one with the highest overall rate.
    ranks = rates["channel"].to_list()
    for_all = scored.with_columns(rank=pl.col("channel").replace_strict({name: n for n, name in enumerate(ranks)}))
    one = for_all.group_by("profile_id").agg(pl.col("channel").sort_by("rank").first().alias("one channel"))
    choice = choice.filter(pl.col("channels") > 1).join(one, on="profile_id")
    choice = choice.with_columns(pl.col("last clicked").fill_null(pl.col("one channel")))
    tested = (
        cases.join(choice, on="profile_id")
        .join(known, on=KEY)
        .with_columns(share=pl.len().over("choice", "channel") / pl.len().over("choice"))
    )
    if tested.is_empty():
        return []
    weight = 1 / tested["share"].clip(LEAST_SHARE).to_numpy()
    people = numbered(tested["profile_id"].to_list())
    happened = tested["happened"].to_numpy()
    matched = {name: (tested[name] == tested["channel"]).to_numpy() * weight for name in POLICIES}
    return [
        PolicyResult(
            name,
            int((weights > 0).sum()),
            ratio_of_sums(weights * happened, weights, people, seed),
            _difference(matched["best score"], weights, happened, people, seed),
        )
        for name, weights in matched.items()
        if weights.any()
    ]


def _difference(first: Numbers, second: Numbers, happened: Numbers, people: Groups, seed: int) -> Estimate:
    """The first policy's rate minus the second's. The interval is linearised: it resamples, by person, the sums of each
    case's contributions to both rates."""
    rates = [(weights * happened).sum() / weights.sum() for weights in (first, second)]
    parts = [weights * (happened - rate) / weights.mean() for weights, rate in zip((first, second), rates, strict=True)]
    centred = mean_by_person(parts[0] - parts[1], people, seed)
    gap = float(rates[0] - rates[1])
    return Estimate(gap, gap + centred.low, gap + centred.high)
