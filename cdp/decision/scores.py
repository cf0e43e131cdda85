"""The person's channel scores at the moment of a decision: what the last run found, aged, and what happened since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from cdp.decision.model import Facts, Response, Score
from cdp.policy import Scores
from cdp.scores import posterior

_DAY = timedelta(days=1)


def channel_scores(facts: Facts, channels: Sequence[str], rules: Scores, now: datetime) -> dict[str, Score]:
    """A score for each of `channels`."""
    if not channels:
        return {}
    rows = [_evidence(facts, channel, rules, now) for channel in channels]
    received, answered, rate = np.array([row[:3] for row in rows], dtype=np.float64).T
    means, lows, highs = (part.round(6).tolist() for part in posterior(received, answered, rate, rules.prior_weight))
    return {
        channel: Score(mean, low, high, row[3], row[2])
        for channel, mean, low, high, row in zip(channels, means, lows, highs, rows, strict=True)
    }


def _evidence(facts: Facts, channel: str, rules: Scores, now: datetime) -> tuple[float, float, float, int]:
    """(decayed received, decayed answered, the channel's rate, messages received)."""
    past = facts.history.get(channel)
    fresh = [response for response in facts.responses if response.channel == channel]
    weights = [_weight(response.at, rules, now) for response in fresh]
    received = sum(weight for weight, one in zip(weights, fresh, strict=True) if one.is_received)
    answered = sum(weight * _answer(one, rules) for weight, one in zip(weights, fresh, strict=True))
    count = sum(one.is_received for one in fresh)
    if past is None:
        return received, answered, rules.unknown_rate, count
    age = _weight(past.as_of, rules, now)
    rate = rules.unknown_rate if past.rate is None else past.rate
    return past.received * age + received, past.answered * age + answered, rate, past.received_count + count


def _weight(at: datetime, rules: Scores, now: datetime) -> float:
    return float(0.5 ** (max(now - at, timedelta()) / _DAY / rules.half_life_days))


def _answer(response: Response, rules: Scores) -> float:
    return 1.0 if response.is_clicked else rules.reply_weight if response.is_replied else 0.0
