"""How people's rates of answering are spread on a channel, and what that says of one person: empirical Bayes.

The spread is estimated without assuming a shape: the maximum-likelihood mixing distribution over a grid of rates
(Kiefer and Wolfowitz 1956; Koenker and Mizera 2014), by EM. A Beta distribution fitted to the same counts calls people
who answer much too low, by 3 points in the top decile of held-out messages, because most people hardly answer at all.
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
# With fewer people, or answers, the spread cannot be told from chance.
MIN_PEOPLE, MIN_ANSWERS = 50, 30
_LEAST_RATE = 0.0001
_LEAST_WEIGHT = 0.5
_ROWS_AT_ONCE = 100_000


class Prior(NamedTuple):
    """Beta priors, one a row: a rate, and how many messages' worth of trust it has."""

    rate: Numbers
    weight: Numbers


@dataclass(frozen=True)
class Spread:
    """The shares of a channel's people at each rate of `GRID`; `shares` is None where too little is known to tell."""

    rate: float
    shares: Numbers | None = None

    def priors(self, received: Numbers, answered: Numbers) -> Prior:
        """The Beta priors whose update by each person's counts has the mean and the variance of the true posterior.

        So `cdp.decision.posterior.posterior` gives what the spread implies, in a form that later evidence can be added
        to. With no counts it is the channel's own rate; with some, that of its people who answer as this one does.
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
        # Where the posterior has two humps, the variance is no Beta's: the mean comes first, and rates stay in bounds.
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
    """The spread behind people's counts: messages received, and answered of these, undecayed; one person a row."""
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
    """Of each row's counts at each rate, up to a factor a row."""
    log = np.outer(answered, _LOG) + np.outer(received - answered, _LOG_REST)
    return np.asarray(np.exp(log - log.max(axis=1, keepdims=True)))
