"""The half-life: short where people change, long where they do not, the default where too little is known."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from cdp.decision.posterior import DEFAULT_HALF_LIFE_DAYS
from pipelines.preferences.half_life import choose_half_life, log_losses
from tests.pipelines.runs import NOW


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


def test_losses_by_hand() -> None:
    losses = log_losses(np.array([0.5, 0.0, 1.0]), np.array([1.0, 1.0, 1.0]))
    assert losses.tolist() == pytest.approx([np.log(2), -np.log(0.001), -np.log(0.999)])
