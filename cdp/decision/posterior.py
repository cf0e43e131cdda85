"""The channel score: Beta-Binomial with recency. One formula for runs and for live decisions.

Parameters come from the policy if it pins them, else from the fit of the last run, else from the defaults.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

INTERVAL = 0.90
DEFAULT_HALF_LIFE_DAYS = 60.0
DEFAULT_PRIOR_WEIGHT = 10.0

_LOW_TAIL, _HIGH_TAIL = (1 - INTERVAL) / 2, (1 + INTERVAL) / 2
# A run scores all people at once, a decision one channel at a time.
_Numbers = NDArray[np.float64] | float


class Posterior(NamedTuple):
    """Expected share of messages that are answered, and its 90% interval: numbers or arrays, as they were asked for."""

    mean: Any
    low: Any
    high: Any


def posterior_mean(received: _Numbers, answered: _Numbers, prior: _Numbers, prior_weight: _Numbers) -> Any:
    """(answered + m·prior) / (received + m): see `posterior`."""
    # A person may answer more often than messages arrived, on WhatsApp for example; the share stays at most 1.
    return (np.minimum(answered, received) + prior_weight * prior) / (received + prior_weight)


def posterior(received: _Numbers, answered: _Numbers, prior: _Numbers, prior_weight: _Numbers) -> Posterior:
    """The mean of Beta posteriors, (answered + m·prior) / (received + m), with their intervals.

    Args:
        received: decayed count of messages that arrived.
        answered: decayed count of those that were answered.
        prior: the rate expected before considering the person's own messages.
        prior_weight: m, the number of messages that the prior counts for.
    """
    # Half a second to import: a server does it when it already answers (`warm_up`).
    from scipy.special import betaincinv

    answered = np.minimum(answered, received)
    alpha = answered + prior_weight * prior
    beta = received - answered + prior_weight * (1 - prior)
    mean = posterior_mean(received, answered, prior, prior_weight)
    alpha = np.maximum(alpha, 1e-6)
    low, high = betaincinv(alpha, beta, _LOW_TAIL), betaincinv(alpha, beta, _HIGH_TAIL)
    # With little evidence on a channel that is rarely answered, the mean can lie outside the interval.
    return Posterior(mean, np.minimum(low, mean), np.maximum(high, mean))


def warm_up() -> None:
    """Prepare for the first call, which would otherwise wait for the import."""
    posterior(1.0, 1.0, 0.5, 1.0)
