"""`cdp evaluate behaviour`: held-out by time, on the published warehouse."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from cdp.decision.policy import Scores
from cdp.warehouse import Warehouse
from pipelines.evaluation.heldout_channels import ChannelEvaluation, evaluate_channels
from pipelines.evaluation.heldout_hours import HourEvaluation, evaluate_hours
from pipelines.evaluation.truth import TruthEvaluation, evaluate_truth
from pipelines.profiles.activity import tell_activity
from pipelines.statements import statement

# The last fifth of the time is foretold from the rest.
EARLIER_SHARE = 0.8
SEED = 1
LOOKS = """
    select * replace (channel::varchar as channel) from looks
    order by profile_id, channel, looked_at, received_at
"""


@dataclass(frozen=True)
class Evaluation:
    """What was held out, and how it was foretold; None: too little is known to tell."""

    as_of: datetime
    since: datetime | None
    cut: datetime | None
    channels: ChannelEvaluation | None
    hours: HourEvaluation | None
    truth: TruthEvaluation | None

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        times = {name: time and time.isoformat() for name, time in (("since", self.since), ("cut", self.cut))}
        document: dict[str, Any] = _rounded({**asdict(self), **times, "as_of": self.as_of.isoformat()})
        return document


def _rounded(value: Any) -> Any:
    """Without the last digits, in which sums differ by the order in which threads add."""
    match value:
        case float():
            return round(value, 6)
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case list():
            return [_rounded(one) for one in value]
        case _:
            return value


def evaluate(warehouse: Warehouse, rules: Scores, truth: Path | None, *, seed: int = SEED) -> Evaluation:
    """Evaluate channel scores and best hours on a published warehouse.

    What identities, time zones and addresses the warehouse knows is taken as of now: only messages are held out.

    Args:
        truth: a folder that `cdp simulate` has written.

    Raises:
        InputRefused: the folder holds no truth, or that of other people.
    """
    as_of = warehouse.scalar("select as_of from runs.runs order by started_at desc limit 1").astimezone(UTC)
    _gather(warehouse, as_of, rules)
    since = warehouse.scalar("select min(received_at) from deliveries")
    told = evaluate_truth(warehouse, truth) if truth else None
    if since is None:
        return Evaluation(as_of, None, None, None, None, told)
    since = since.astimezone(UTC)
    cut = since + (as_of - since) * EARLIER_SHARE
    messages, looks = warehouse.query(statement("preferences/sampled_deliveries"), {"every": 1}), warehouse.query(LOOKS)
    return Evaluation(
        as_of,
        since,
        cut,
        evaluate_channels(messages, cut, rules.half_life_days, seed),
        evaluate_hours(looks.filter(pl.col("looked_at") <= cut), looks.filter(pl.col("received_at") > cut), seed),
        told,
    )


def _gather(warehouse: Warehouse, as_of: datetime, rules: Scores) -> None:
    """The temporary table `deliveries` and the view `looks`, as a run makes them."""
    warehouse.run(statement("link/people"), name="people")
    tell_activity(warehouse, as_of)
    warehouse.run(statement("preferences/deliveries"), {"reply_weight": rules.reply_weight}, name="deliveries")
    warehouse.run(statement("preferences/looks"), name="looks")
