"""How rates of answering are spread: what must hold of any counts, and what is found of known ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.decision.posterior import posterior, posterior_mean
from pipelines.preferences.rates import GRID, Spread, fit_spread

RNG = np.random.default_rng(7)
SENT = RNG.integers(1, 12, 4_000).astype(float)
TRUE = RNG.beta(0.6, 3.4, 4_000)
ANSWERED = RNG.binomial(SENT.astype(int), TRUE).astype(float)
SPREAD = fit_spread(SENT, ANSWERED)


def test_the_spread_finds_mean_and_variance_of_the_true_rates() -> None:
    assert SPREAD.shares is not None
    assert SPREAD.rate == pytest.approx(TRUE.mean(), abs=0.01)
    assert SPREAD.shares @ GRID**2 - SPREAD.rate**2 == pytest.approx(TRUE.var(), abs=0.005)


def test_predicted_chances_match_outcomes() -> None:
    prior = SPREAD.priors(SENT, ANSWERED)
    means = posterior_mean(SENT, ANSWERED, *prior)
    for low, high in ((0, 0.1), (0.1, 0.2), (0.2, 0.5), (0.5, 1)):
        inside = (means >= low) & (means < high)
        assert means[inside].mean() == pytest.approx(TRUE[inside].mean(), abs=0.03)


def test_with_few_people_the_rate_is_the_channels_own_and_weighs_ten_messages() -> None:
    spread = fit_spread(np.array([30.0, 10.0]), np.array([10.0, 0.0]))
    prior = spread.priors(np.array([0.0, 5.0]), np.array([0.0, 5.0]))
    assert (prior.rate.tolist(), prior.weight.tolist()) == ([0.25, 0.25], [10, 10])
    assert fit_spread(np.array([]), np.array([])) == Spread(0.0)


COUNTS = st.tuples(st.floats(0, 300), st.floats(0, 1)).map(lambda pair: (pair[0], pair[0] * pair[1]))


@given(counts=COUNTS)
@settings(deadline=None)
def test_a_prior_is_a_rate_with_a_weight(counts: tuple[float, float]) -> None:
    prior = SPREAD.priors(*(np.array([value]) for value in counts))
    assert 0 < prior.rate[0] < 1
    assert prior.weight[0] > 0


@given(count=st.integers(1, 8), share=st.sampled_from([0.0, 0.25, 0.5]))
@settings(deadline=None)
def test_more_of_the_same_evidence_narrows_the_interval(count: int, share: float) -> None:
    few, many = (np.array([count * times * 4.0]) for times in (1, 10))
    widths = []
    for received in (few, many):
        prior = SPREAD.priors(received, received * share)
        found = posterior(received, received * share, *prior)
        widths.append((found.high - found.low)[0])
    assert widths[1] < widths[0]
