"""Channel preferences: the estimate against sums done by hand, and what holds of every estimate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp import tables
from cdp.decision.policy import Scores
from cdp.warehouse import Warehouse
from pipelines.preferences import prefer, preferences
from pipelines.profiles.golden import build_profiles
from pipelines.profiles.metrics import write_metrics
from tests.pipelines.people import event, observation, profile_id, warehouse_of
from tests.pipelines.runs import NOW

pytestmark = pytest.mark.slow

RULES = Scores(half_life_days=60, prior_weight=10, reply_weight=0.5, unknown_rate=0.05)
FITTED = RULES.model_copy(update={"half_life_days": None, "prior_weight": None})
EVIDENCE_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("profile_id", "channel", "timezone"), pl.String),
        "reachable": pl.Boolean,
        **dict.fromkeys(("received_count", "response_count"), pl.Int64),
        **dict.fromkeys(("decayed_received", "decayed_responses", "answered"), pl.Float64),
    }
)
HOURS = pl.Schema(
    {
        **dict.fromkeys(("profile_id", "channel"), pl.String),
        **dict.fromkeys(("best_hours", "weekend_best_hours"), pl.List(pl.Int32)),
        **dict.fromkeys(("opened_count", "weekend_opened_count"), pl.Int64),
    }
)


def estimated(responses: list[tuple[Any, ...]], reach: list[tuple[str, str, bool]]) -> dict[tuple[str, str], Any]:
    counts = {row[:2]: row[2:] for row in responses}
    reachable = {row[:2]: row[2] for row in reach}
    evidence = [
        (*key, None, reachable.get(key, False), *found, found[1])
        for key in sorted(counts | reachable)
        for found in [counts.get(key, (0, 0, 0.0, 0.0))]
    ]
    frame = preferences(
        pl.DataFrame(evidence, schema=EVIDENCE_SCHEMA, orient="row"), pl.DataFrame(schema=HOURS), 60.0, 10.0
    )
    return {(row["profile_id"], row["channel"]): row for row in frame.iter_rows(named=True)}


def test_scores_against_sums_done_by_hand() -> None:
    found = estimated(
        [("ann", "email", 30, 10, 30.0, 10.0), ("ben", "email", 10, 0, 10.0, 0.0), ("ann", "sms", 2, 2, 1.0, 1.0)],
        [(*who.split(), True) for who in ("ann email", "ben email", "ann sms", "cat email", "cat push")],
    )
    # The channel's own rate is 10 of 40; it weighs as much as 10 messages.
    assert found["ann", "email"]["prior"] == 0.25
    assert found["ann", "email"]["score"] == pytest.approx((10 + 2.5) / (30 + 10))
    assert found["ben", "email"]["score"] == pytest.approx((0 + 2.5) / (10 + 10))
    assert found["cat", "email"]["score"] == found["cat", "email"]["prior"] == 0.25
    # Beta(2.5, 7.5) holds a twentieth below and a twentieth above the interval.
    assert beta_share_below(found["cat", "email"]["low"], 2.5, 7.5) == pytest.approx(0.05, abs=1e-4)
    assert beta_share_below(found["cat", "email"]["high"], 2.5, 7.5) == pytest.approx(0.95, abs=1e-4)
    # A channel nobody has used yet: no rate, no hope.
    assert (found["cat", "push"]["prior"], found["cat", "push"]["score"]) == (0, 0)


def beta_share_below(x: float, a: float, b: float, steps: int = 100_000) -> float:
    density = [((n + 0.5) / steps) ** (a - 1) * (1 - (n + 0.5) / steps) ** (b - 1) for n in range(steps)]
    return sum(density[: round(x * steps)]) / sum(density)


def test_no_score_where_nobody_can_be_reached() -> None:
    found = estimated([("ann", "email", 9, 9, 9.0, 9.0), ("ben", "email", 9, 0, 9.0, 0.0)], [("ann", "email", False)])
    for person in ("ann", "ben"):
        row = found[person, "email"]
        assert (row["reachable"], row["score"], row["low"], row["high"]) == (False, None, None, None)
        assert row["received_count"] == 9


EVIDENCE = st.tuples(st.floats(0, 500), st.floats(0, 600))


@given(people=st.lists(EVIDENCE, min_size=1, max_size=6))
@settings(deadline=None)
def test_the_interval_holds_the_score_and_more_evidence_narrows_it(people: list[tuple[float, float]]) -> None:
    rows = [(f"p{n}", "email", round(got), round(did), got, did) for n, (got, did) in enumerate(people)]
    found = estimated(rows, [(row[0], "email", True) for row in rows])
    for row in found.values():
        assert 0 <= row["low"] <= row["score"] <= row["high"] <= 1
    grown = [(name, "email", 0, 0, got * 10, did * 10) for name, _, _, _, got, did in rows]
    for key, row in estimated(grown, [(row[0], "email", True) for row in rows]).items():
        small, large = found[key], row
        if 0.05 < small["score"] < 0.95 and 0.05 < large["score"] < 0.95 and people[int(key[0][1:])][0] > 50:
            assert large["high"] - large["low"] < small["high"] - small["low"]


EMAIL_REACHES_ANN = pl.DataFrame(
    [(profile_id("ann"), "email", True, "granted", False)], schema=tables.CHANNEL_STATES.polars_schema(), orient="row"
)


def preferred(events: list[dict[str, Any]], **person: Any) -> Warehouse:
    warehouse = warehouse_of([observation("ann", email="ann@x.example", **person)], events)
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    warehouse.append_rows(tables.CHANNEL_STATES, EMAIL_REACHES_ANN)
    prefer(warehouse, NOW, RULES)
    return warehouse


def test_newer_evidence_weighs_more_and_a_message_counts_once() -> None:
    def message(days: float, name: str, *kinds: str) -> list[dict[str, Any]]:
        at = NOW - timedelta(days=days)
        return [event("ann", "email", kind, at, message_ref=name) for kind in kinds]

    warehouse = preferred(
        [
            *message(0, "m0", "delivered", "opened", "clicked", "clicked"),
            *message(60, "m1", "delivered", "clicked"),
            *message(120, "m2", "delivered", "opened"),
            *message(0, "m3", "sent"),
        ]
    )
    row = warehouse.query("select * from segments.channel_preferences where channel = 'email'").row(0, named=True)
    assert (row["received_count"], row["response_count"]) == (3, 2)
    assert row["decayed_received"] == pytest.approx(1 + 0.5 + 0.25)
    assert row["decayed_responses"] == pytest.approx(1 + 0.5)


def test_a_reply_weighs_what_the_policy_says_and_no_more_than_a_click_with_it() -> None:
    warehouse = preferred(
        [
            event("ann", "email", kind, NOW, message_ref=name)
            for name, kinds in {"m0": ("delivered", "replied"), "m1": ("delivered", "replied", "clicked")}.items()
            for kind in kinds
        ]
    )
    row = warehouse.query("select * from segments.channel_preferences where channel = 'email'").row(0, named=True)
    assert (row["response_count"], row["decayed_responses"]) == (2, pytest.approx(0.5 + 1))


def test_best_hours_are_local() -> None:
    opens = [
        event("ann", "email", "opened", NOW.replace(hour=hour) - timedelta(days=day), message_ref=f"{hour}-{day}")
        for hour, times in ((6, 4), (18, 3), (20, 1), (12, 1), (9, 1))
        for day in range(1, times + 1)
    ]
    [(zone, hours, opened)] = preferred(opens, timezone="Europe/Berlin").query(
        "select timezone, best_hours, opened_count from segments.channel_preferences where profile_id = $1",
        [profile_id("ann")],
    ).rows()  # fmt: skip
    assert (zone, hours[0], opened) == ("Europe/Berlin", 7, 10)
