"""Rates, half-lives, best hours and the measures: small tables by hand, and what must hold of any."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.decision.posterior import DEFAULT_HALF_LIFE_DAYS, posterior, posterior_mean
from cdp.warehouse import Warehouse
from pipelines.behaviour.best_hours import best_hours
from pipelines.behaviour.half_life import choose_half_life
from pipelines.behaviour.heldout_channels import evaluate_channels
from pipelines.behaviour.measures import calibration, log_losses, mean_by_person
from pipelines.behaviour.rates import GRID, Spread, fit_spread
from pipelines.metrics import write_metrics
from pipelines.profiles import build_profiles
from pipelines.sql import statement
from tests.pipelines.people import event, observation, warehouse_of
from tests.pipelines.runs import NOW

RNG = np.random.default_rng(7)
SENT = RNG.integers(1, 12, 4_000).astype(float)
TRUE = RNG.beta(0.6, 3.4, 4_000)
ANSWERED = RNG.binomial(SENT.astype(int), TRUE).astype(float)
SPREAD = fit_spread(SENT, ANSWERED)


def test_the_spread_finds_mean_and_variance_of_the_true_rates() -> None:
    assert SPREAD.shares is not None
    assert SPREAD.rate == pytest.approx(TRUE.mean(), abs=0.01)
    assert SPREAD.shares @ GRID**2 - SPREAD.rate**2 == pytest.approx(TRUE.var(), abs=0.005)


def test_what_is_foretold_happens() -> None:
    prior = SPREAD.priors(SENT, ANSWERED)
    means = posterior_mean(SENT, ANSWERED, *prior)
    for low, high in ((0, 0.1), (0.1, 0.2), (0.2, 0.5), (0.5, 1)):
        inside = (means >= low) & (means < high)
        assert means[inside].mean() == pytest.approx(TRUE[inside].mean(), abs=0.03)


def test_with_few_people_the_rate_is_the_channels_own_and_weighs_ten_messages() -> None:
    spread = fit_spread(np.array([30.0, 10.0]), np.array([10.0, 0.0]))
    prior = spread.priors(np.array([0.0, 5.0]), np.array([0.0, 5.0]))
    assert (prior.rate.tolist(), prior.weight.tolist()) == ([0.25, 0.25], [10, 10])
    assert fit_spread(np.array([]), np.array([])) == Spread(0.0)


COUNTS = st.tuples(st.floats(0, 300), st.floats(0, 1)).map(lambda pair: (pair[0], pair[0] * pair[1]))


@given(counts=COUNTS)
@settings(deadline=None)
def test_a_prior_is_a_rate_with_a_weight(counts: tuple[float, float]) -> None:
    prior = SPREAD.priors(*(np.array([value]) for value in counts))
    assert 0 < prior.rate[0] < 1
    assert prior.weight[0] > 0


@given(count=st.integers(1, 8), share=st.sampled_from([0.0, 0.25, 0.5]))
@settings(deadline=None)
def test_more_of_the_same_evidence_narrows_the_interval(count: int, share: float) -> None:
    few, many = (np.array([count * times * 4.0]) for times in (1, 10))
    widths = []
    for received in (few, many):
        prior = SPREAD.priors(received, received * share)
        found = posterior(received, received * share, *prior)
        widths.append((found.high - found.low)[0])
    assert widths[1] < widths[0]


def messages(rows: list[tuple[str, float, bool]]) -> pl.DataFrame:
    """(person, days ago, answered) on e-mail."""
    at = [NOW - timedelta(days=days) for _, days, _ in rows]
    return pl.DataFrame(
        {
            "profile_id": [name for name, _, _ in rows],
            "channel": ["email"] * len(rows),
            "received_at": at,
            "answered_at": [when if answered else None for when, (_, _, answered) in zip(at, rows, strict=True)],
            "answered": [float(answered) for _, _, answered in rows],
        },
        schema_overrides={"received_at": pl.Datetime("us", "UTC"), "answered_at": pl.Datetime("us", "UTC")},
    )


def drifting(changes: bool) -> pl.DataFrame:
    """Two thousand messages a quarter to people who answer half or nothing; with `changes` they swap each quarter."""
    rng = np.random.default_rng(3)
    rows = []
    for person in range(400):
        for day in range(0, 120, 4):
            keen = (person % 2 == 0) ^ (changes and day // 20 % 2 == 1)
            rows.append((f"p{person}", float(day) + 0.5, bool(rng.random() < (0.5 if keen else 0.05))))
    return messages(rows)


def test_the_half_life_is_short_where_people_change_and_long_where_they_do_not() -> None:
    assert choose_half_life(drifting(changes=True)) == 15
    assert choose_half_life(drifting(changes=False)) >= 240


def test_too_few_messages_leave_the_default_half_life() -> None:
    assert choose_half_life(messages([("ann", 1, True)])) == DEFAULT_HALF_LIFE_DAYS
    assert choose_half_life(messages([])) == DEFAULT_HALF_LIFE_DAYS


def test_the_evaluation_sees_nothing_of_what_it_foretells() -> None:
    told = drifting(changes=False)
    cut = NOW - timedelta(days=25)
    found = evaluate_channels(told, cut, 240.0, seed=1)
    turned = told.with_columns(
        pl.when(pl.col("received_at") > cut).then(1 - pl.col("answered")).otherwise("answered").alias("answered")
    )
    other = evaluate_channels(turned, cut, 240.0, seed=1)
    assert found is not None
    assert other is not None
    assert [one.foretold for one in found.deciles] == [one.foretold for one in other.deciles]
    by_rule = {one.rule: one.worse_by for one in found.rules}
    assert by_rule["channel rate"].low > 0


def test_too_little_data_is_no_evidence() -> None:
    assert evaluate_channels(messages([("ann", 1, True), ("ann", 9, False)]), NOW - timedelta(days=5), None, 1) is None


def looks(*rows: tuple[str, str, int | None, int, int]) -> pl.DataFrame:
    """(person, channel, arrival hour, look hour, how many)."""
    names = {"profile_id": pl.String, "channel": pl.String}
    numbers = {"received_hour": pl.Int8, "looked_hour": pl.Int8, "looks": pl.Int64}
    return pl.DataFrame(rows, schema={**names, **numbers}, orient="row")


def hours_of(table: pl.DataFrame) -> dict[tuple[str, str], tuple[int, list[int]]]:
    return {(row[0], row[1]): (row[2], row[3]) for row in best_hours(table).iter_rows()}


CROWD = [(f"p{n}", "email", None, (8, 20)[n % 3 > 0], 3) for n in range(200)]


def test_own_looks_prevail_and_little_evidence_is_drawn_to_the_hours_of_others() -> None:
    found = hours_of(looks(*CROWD, ("ann", "email", None, 13, 30), ("ben", "email", None, 21, 1)))
    assert found["ann", "email"][1][0] == 13
    assert found["ben", "email"] == (1, found["ben", "email"][1])
    assert found["ben", "email"][1][0] in (20, 21)


def test_a_look_that_follows_the_arrival_says_little() -> None:
    prompted = [(f"q{n}", "email", n % 24, n % 24, 1) for n in range(480)]
    found = hours_of(looks(*CROWD, *prompted, ("ann", "email", 3, 3, 1), ("ann", "email", 3, 20, 1)))
    assert found["ann", "email"][1][0] in (19, 20, 21)


def test_hours_go_around_midnight() -> None:
    found = hours_of(looks(("ann", "sms", None, 23, 4), ("ann", "sms", None, 1, 4)))
    assert set(found["ann", "sms"][1]) == {23, 0, 1}


def test_nobody_looked() -> None:
    assert best_hours(looks()).is_empty()


def gathered(events: list[dict[str, object]], timezone: str | None) -> Warehouse:
    warehouse = warehouse_of([observation("ann", email="ann@x.example", timezone=timezone)], events)
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    warehouse.run(statement("deliveries"), {"reply_weight": 1.0})
    warehouse.run(statement("looks"))
    return warehouse


BERLIN = ZoneInfo("Europe/Berlin")
CLOCKS = [
    # opened (UTC), hour in Berlin, on a weekend
    ("2026-03-28T18:30", 19, True),
    ("2026-03-29T17:30", 19, True),  # the clocks went forward that morning
    ("2026-10-24T17:30", 19, True),
    ("2026-10-25T18:30", 19, True),  # and back
    ("2026-10-23T22:10", 0, True),  # Saturday there, Friday in UTC
    ("2024-02-29T11:00", 12, False),
]


@pytest.mark.parametrize(("at", "hour", "is_weekend"), CLOCKS)
def test_looks_are_in_local_time_over_clock_changes(at: str, hour: int, is_weekend: bool) -> None:
    opened = datetime.fromisoformat(f"{at}+00:00")
    assert opened.astimezone(BERLIN).hour == hour
    warehouse = gathered([event("ann", "email", "opened", opened, message_ref="m")], "Europe/Berlin")
    assert warehouse.query("select looked_hour, is_weekend from looks").rows() == [(hour, is_weekend)]


ODD_CLOCKS = [
    ("2026-11-03T18:10", "Asia/Kathmandu", 23),
    ("2026-11-03T18:20", "Asia/Kathmandu", 0),  # a quarter to six ahead
    ("2026-10-03T15:20", "Australia/Lord_Howe", 1),
    ("2026-10-03T15:40", "Australia/Lord_Howe", 2),  # the clocks went forward by half an hour, at half past
    ("1999-12-31T23:59", None, 23),
]


@pytest.mark.parametrize(("at", "timezone", "hour"), ODD_CLOCKS)
def test_looks_are_in_local_time_where_clocks_are_odd(at: str, timezone: str | None, hour: int) -> None:
    opened = datetime.fromisoformat(f"{at}+00:00")
    warehouse = gathered([event("ann", "email", "opened", opened, message_ref="m")], timezone)
    assert warehouse.query("select looked_hour from looks").rows() == [(hour,)]


def at(minutes: float) -> datetime:
    return NOW - timedelta(days=9) + timedelta(minutes=minutes)


STORIES = {
    "a click that names no message answers the last one": (
        [("sms", "delivered", 0, "m1"), ("sms", "delivered", 60, "m2"), ("sms", "clicked", 90, None)],
        [(0, 0.0), (60, 1.0)],
    ),
    "a reply has a reference of its own": (
        [("sms", "delivered", 0, "m1"), ("sms", "replied", 30, "r1")],
        [(0, 1.0)],
    ),
    "an arrival told twice is one message": (
        [("push", "delivered", 0, "m1"), ("push", "delivered", 1, None), ("push", "clicked", 5, None)],
        [(0, 1.0)],
    ),
    "an answer a week late answers nothing": (
        [("sms", "delivered", 0, "m1"), ("sms", "clicked", 60 * 24 * 8, None)],
        [(0, 0.0), (60 * 24 * 8, 1.0)],
    ),
    "an answer on another channel is none here": (
        [("sms", "delivered", 0, "m1"), ("push", "delivered", 0, "p1"), ("push", "clicked", 5, None)],
        [(0, 0.0), (0, 1.0)],
    ),
    "opens by machines are no looks": (
        [("email", "delivered", 0, "m1"), ("email", "machine", 1, "m1")],
        [(0, 0.0)],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_what_became_of_messages(story: str) -> None:
    told, expected = STORIES[story]
    events = [
        event(
            "ann",
            channel,
            kind.replace("machine", "opened"),
            at(minutes),
            message_ref=ref,
            is_machine=kind == "machine",
        )
        for channel, kind, minutes, ref in told
    ]
    found = gathered(events, None).query("select received_at, answered from deliveries order by all").rows()
    assert found == [(at(minutes), answered) for minutes, answered in expected]


def test_calibration_by_deciles_keeps_equal_chances_together() -> None:
    p = np.array([0.1] * 15 + [0.5] * 5)
    happened = np.array([0.0] * 15 + [1.0] * 5)
    assert [(one.cases, one.happened) for one in calibration(p, happened)] == [(15, 0.0), (5, 1.0)]


def test_measures_by_hand() -> None:
    losses = log_losses(np.array([0.5, 0.0, 1.0]), np.array([1.0, 1.0, 1.0]))
    assert losses.tolist() == pytest.approx([np.log(2), -np.log(0.001), -np.log(0.999)])
    found = mean_by_person(np.array([1.0, 1.0, 4.0]), np.array([0, 0, 1]), seed=1)
    assert found.value == 2
    assert found.low < 2 < found.high
