"""The distribution of people's answer rates on a channel, and the prior it gives each person: empirical Bayes.

The spread is estimated without assuming a shape: the maximum-likelihood mixing distribution over a grid of rates
(Kiefer and Wolfowitz 1956; Koenker and Mizera 2014), by EM. A Beta distribution fitted to the same counts
underestimates people who answer often, by 3 points in the top decile of a backtest, because most people hardly answer
at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdp.decision.posterior import DEFAULT_PRIOR_WEIGHT

Numbers = NDArray[np.float64]

# Rates from 0.25% to 95%, evenly spaced as log-odds.
GRID: Numbers = 1 / (1 + np.exp(-np.linspace(-6, 3, 37)))
_LOG, _LOG_REST = np.log(GRID), np.log1p(-GRID)
ROUNDS = 1_000
# With fewer people or answers, the spread is indistinguishable from chance.
MIN_PEOPLE, MIN_ANSWERS = 50, 30
_LEAST_RATE = 0.0001
_LEAST_WEIGHT = 0.5
_ROWS_AT_ONCE = 100_000


class Prior(NamedTuple):
    """Beta priors, one per row: a rate, and its weight in messages."""

    rate: Numbers
    weight: Numbers


@dataclass(frozen=True)
class Spread:
    """The shares of a channel's people at each rate of `GRID`; `shares` is None if the data is insufficient."""

    rate: float
    shares: Numbers | None = None

    def priors(self, received: Numbers, answered: Numbers) -> Prior:
        """The Beta priors whose update by each person's counts has the mean and the variance of the true posterior.

        So `cdp.decision.posterior.posterior` gives what the spread implies, in a form to which later evidence can be
        added. Without counts the prior is the channel's overall rate; with counts, that of people with similar counts.
        """
        if self.shares is None:
            return Prior(np.full(len(received), self.rate), np.full(len(received), DEFAULT_PRIOR_WEIGHT))
        parts = [
            self._priors(received[start : start + _ROWS_AT_ONCE], answered[start : start + _ROWS_AT_ONCE], self.shares)
            for start in range(0, max(len(received), 1), _ROWS_AT_ONCE)
        ]
        return Prior(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _priors(self, received: Numbers, answered: Numbers, shares: Numbers) -> Prior:
        answered = np.minimum(answered, received)
        at_rates = _likelihood(received, answered) * shares
        at_rates /= at_rates.sum(axis=1, keepdims=True)
        mean = at_rates @ GRID
        variance = at_rates @ GRID**2 - mean**2
        weight = mean * (1 - mean) / np.maximum(variance, 1e-12) - 1 - received
        # No Beta has the variance of a bimodal posterior: the mean takes precedence, and rates stay in bounds.
        excess = answered - mean * received
        weight = np.maximum.reduce(
            [
                weight,
                np.full_like(weight, _LEAST_WEIGHT),
                excess / (mean - _LEAST_RATE),
                -excess / (1 - _LEAST_RATE - mean),
            ]
        )
        return Prior(mean - excess / weight, weight)


def fit_spread(received: Numbers, answered: Numbers) -> Spread:
    """Fit the spread to people's counts: messages received and answered, undecayed, one row per person."""
    reached = received > 0
    received, answered = received[reached], np.minimum(answered, received)[reached]
    total, total_answered = float(received.sum()), float(answered.sum())
    if total == 0:
        return Spread(0.0)
    rate = min(max(total_answered / total, _LEAST_RATE), 1 - _LEAST_RATE)
    if (received > 1).sum() < MIN_PEOPLE or min(total_answered, total - total_answered) < MIN_ANSWERS:
        return Spread(rate)
    counts, people = np.unique(np.stack([received, answered], axis=1), axis=0, return_counts=True)
    likelihood = _likelihood(*counts.T)
    shares = np.full(len(GRID), 1 / len(GRID))
    for _ in range(ROUNDS):
        shares *= (people / (likelihood @ shares)) @ likelihood / people.sum()
    return Spread(float(shares @ GRID), shares)


def _likelihood(received: Numbers, answered: Numbers) -> Numbers:
    """The likelihood of each row's counts at each rate, up to a factor per row."""
    log = np.outer(answered, _LOG) + np.outer(received - answered, _LOG_REST)
    return np.asarray(np.exp(log - log.max(axis=1, keepdims=True)))
