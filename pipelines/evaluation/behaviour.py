"""`cdp evaluate behaviour`: a backtest, split by time, on the published warehouse."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from cdp.decision.policy import Scores
from cdp.warehouse import Warehouse
from pipelines.evaluation.backtest_channels import ChannelEvaluation, evaluate_channels
from pipelines.evaluation.backtest_hours import HourEvaluation, evaluate_hours
from pipelines.evaluation.truth import TruthEvaluation, evaluate_truth
from pipelines.profiles.activity import tell_activity
from pipelines.statements import statement

# The last fifth of the period is predicted from the rest.
EARLIER_SHARE = 0.8
SEED = 1
OPENS = """
    select * replace (channel::varchar as channel) from opens
    order by profile_id, channel, opened_at, received_at
"""


@dataclass(frozen=True)
class Evaluation:
    """The results of a backtest; None where the data is insufficient."""

    as_of: datetime
    since: datetime | None
    cut: datetime | None
    channels: ChannelEvaluation | None
    hours: HourEvaluation | None
    truth: TruthEvaluation | None

    def document(self) -> dict[str, Any]:
        """The evaluation as JSON."""
        times = {name: time and time.isoformat() for name, time in (("since", self.since), ("cut", self.cut))}
        document: dict[str, Any] = _json_value({**asdict(self), **times, "as_of": self.as_of.isoformat()})
        return document


def _json_value(value: Any) -> Any:
    """The value with JSON names and rounded floats: a sum's last digits depend on the order in which threads add."""
    match value:
        case float():
            return round(value, 6)
        case dict():
            return {name: _json_value(one) for name, one in value.items()}
        case list():
            return [_json_value(one) for one in value]
        case _:
            return value


def evaluate(warehouse: Warehouse, rules: Scores, truth: Path | None, *, seed: int = SEED) -> Evaluation:
    """Evaluate channel scores and best hours on a published warehouse.

    Only messages are split by time; identities, time zones and addresses are those of the current warehouse.

    Args:
        truth: a folder written by `cdp simulate`.

    Raises:
        InputRefused: the folder has no truth, or a truth about other people.
    """
    as_of = warehouse.scalar("select as_of from runs.runs order by started_at desc limit 1").astimezone(UTC)
    _gather(warehouse, as_of, rules)
    since = warehouse.scalar("select min(received_at) from deliveries")
    against_truth = evaluate_truth(warehouse, truth) if truth else None
    if since is None:
        return Evaluation(as_of, None, None, None, None, against_truth)
    since = since.astimezone(UTC)
    cut = since + (as_of - since) * EARLIER_SHARE
    messages, opens = warehouse.query(statement("preferences/sampled_deliveries"), {"every": 1}), warehouse.query(OPENS)
    return Evaluation(
        as_of,
        since,
        cut,
        evaluate_channels(messages, cut, rules.half_life_days, seed),
        evaluate_hours(opens.filter(pl.col("opened_at") <= cut), opens.filter(pl.col("received_at") > cut), seed),
        against_truth,
    )


def _gather(warehouse: Warehouse, as_of: datetime, rules: Scores) -> None:
    """Make the temporary table `deliveries` and the view `opens`, as a run does."""
    warehouse.run(statement("link/people"), name="people")
    tell_activity(warehouse, as_of)
    warehouse.run(statement("preferences/deliveries"), {"reply_weight": rules.reply_weight}, name="deliveries")
    warehouse.run(statement("preferences/opens"), name="opens")
