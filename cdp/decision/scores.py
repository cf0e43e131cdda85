"""A person's channel scores at the time of a decision: the last run's history, decayed, plus later responses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cdp.decision.model import Facts, Response, Score
from cdp.decision.policy import Scores
from cdp.decision.posterior import DEFAULT_HALF_LIFE_DAYS, DEFAULT_PRIOR_WEIGHT, posterior

_DAY = timedelta(days=1)


def channel_scores(facts: Facts, channels: Sequence[str], rules: Scores, now: datetime) -> dict[str, Score]:
    """A score for each of `channels`."""
    return {channel: _score(*_evidence(facts, channel, rules, now)) for channel in channels}


def _score(received: float, answered: float, rate: float, prior_weight: float, count: int) -> Score:
    mean, low, high = (round(float(one), 6) for one in posterior(received, answered, rate, prior_weight))
    return Score(mean, low, high, count, rate)


def _evidence(facts: Facts, channel: str, rules: Scores, now: datetime) -> tuple[float, float, float, float, int]:
    """(decayed received, decayed answered, the prior's rate and weight, messages received)."""
    past = facts.history.get(channel)
    fitted_weight, fitted_half_life = (past.prior_weight, past.half_life_days) if past else (None, None)
    prior_weight = rules.prior_weight or fitted_weight or DEFAULT_PRIOR_WEIGHT
    half_life = rules.half_life_days or fitted_half_life or DEFAULT_HALF_LIFE_DAYS
    fresh = [response for response in facts.responses if response.channel == channel]
    weights = [_weight(response.at, half_life, now) for response in fresh]
    received = sum(weight for weight, one in zip(weights, fresh, strict=True) if one.is_received)
    answered = sum(weight * _answer(one, rules) for weight, one in zip(weights, fresh, strict=True))
    count = sum(one.is_received for one in fresh)
    if past is None:
        return received, answered, rules.unknown_rate, prior_weight, count
    age = _weight(past.as_of, half_life, now)
    rate = rules.unknown_rate if past.rate is None else past.rate
    return (
        past.received * age + received,
        past.answered * age + answered,
        rate,
        prior_weight,
        past.received_count + count,
    )


def _weight(at: datetime, half_life_days: float, now: datetime) -> float:
    return float(0.5 ** (max(now - at, timedelta()) / _DAY / half_life_days))


def _answer(response: Response, rules: Scores) -> float:
    return 1.0 if response.is_clicked else rules.reply_weight if response.is_replied else 0.0
