"""The backtest of channel scores does not see the answers it predicts, and reports nothing on too little data."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from pipelines.evaluation.backtest_channels import evaluate_channels
from tests.pipelines.preferences.test_half_life import drifting, messages
from tests.pipelines.runs import NOW


def test_the_backtest_does_not_see_the_answers_it_predicts() -> None:
    sent = drifting(changes=False)
    cut = NOW - timedelta(days=25)
    found = evaluate_channels(sent, cut, 240.0, seed=1)
    turned = sent.with_columns(
        pl.when(pl.col("received_at") > cut).then(1 - pl.col("answered")).otherwise("answered").alias("answered")
    )
    other = evaluate_channels(turned, cut, 240.0, seed=1)
    assert found is not None
    assert other is not None
    assert [one.predicted for one in found.deciles] == [one.predicted for one in other.deciles]
    by_rule = {one.rule: one.worse_by for one in found.rules}
    assert by_rule["channel rate"].low > 0


def test_too_little_data_gives_no_result() -> None:
    assert evaluate_channels(messages([("ann", 1, True), ("ann", 9, False)]), NOW - timedelta(days=5), None, 1) is None
