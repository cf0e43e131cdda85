"""Channel scores at the time of a decision, compared with manual calculations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.decision import Facts, History, Response, Score
from cdp.decision.policy import Scores
from cdp.decision.scores import channel_scores
from tests.cdp.deciding import NOW

DAY = timedelta(days=1)
RULES = Scores(half_life_days=30, prior_weight=10, reply_weight=0.5, unknown_rate=0.05)


def score(history: History | None = None, *responses: Response, rules: Scores = RULES) -> Score:
    facts = Facts("prf_ann", history={"email": history} if history else {}, responses=responses)
    return channel_scores(facts, ["email"], rules, NOW)["email"]


def response(days: float = 0, *, received: bool = True, clicked: bool = False, replied: bool = False) -> Response:
    return Response("email", NOW - days * DAY, received, clicked, replied)


def test_without_evidence_the_score_is_the_channels_rate() -> None:
    assert (score().mean, score().n, score().prior) == (0.05, 0, 0.05)
    assert score(History(NOW, 0, 0, 0, 0.2)).mean == 0.2
    assert score(History(NOW, 0, 0, 0, None)).mean == 0.05


def test_the_history_of_a_run_decays_until_the_decision() -> None:
    found = score(History(NOW - 30 * DAY, 30, 10, 40, 0.25))
    assert found.mean == pytest.approx((5 + 2.5) / (15 + 10), abs=1e-6)
    assert (found.n, found.prior) == (40, 0.25)


ANSWERS = [
    # response, what it adds to decayed received and answered
    (response(), 1, 0),
    (response(clicked=True), 1, 1),
    (response(replied=True), 1, 0.5),
    (response(clicked=True, replied=True), 1, 1),
    (response(received=False, clicked=True), 0, 1),
    (response(30, clicked=True), 0.5, 0.5),
    (response(-1, clicked=True), 1, 1),  # a clock ahead of ours
]


@pytest.mark.parametrize(("fresh", "received", "answered"), ANSWERS)
def test_a_response_counts_before_the_next_run(fresh: Response, received: float, answered: float) -> None:
    found = score(History(NOW, 30, 10, 40, 0.25), fresh)
    assert found.mean == pytest.approx((10 + answered + 2.5) / (30 + received + 10), abs=1e-6)
    assert found.n == 40 + fresh.is_received


@given(received=st.floats(0, 500), answered=st.floats(0, 600), rate=st.floats(0.0001, 0.9999))
def test_the_interval_contains_the_mean(received: float, answered: float, rate: float) -> None:
    found = score(History(NOW, received, answered, round(received), rate))
    assert 0 <= found.low <= found.mean <= found.high <= 1


@given(received=st.floats(1, 500), share=st.floats(0, 0.99), rate=st.floats(0.001, 0.999))
def test_a_click_never_lowers_a_score(received: float, share: float, rate: float) -> None:
    history = History(NOW, received, received * share, round(received), rate)
    assert score(history, response(clicked=True)).mean >= score(history).mean


FREE = RULES.model_copy(update={"half_life_days": None, "prior_weight": None})
FITTED = History(NOW - 30 * DAY, 30, 10, 40, 0.25, prior_weight=4, half_life_days=15)


def test_fitted_parameters_apply_unless_the_policy_pins_them() -> None:
    assert score(FITTED, rules=FREE).mean == pytest.approx((10 / 4 + 4 * 0.25) / (30 / 4 + 4), abs=1e-6)
    assert score(FITTED, rules=RULES).mean == pytest.approx((10 / 2 + 10 * 0.25) / (30 / 2 + 10), abs=1e-6)


def test_without_a_fit_the_defaults_apply() -> None:
    found = score(History(NOW - 60 * DAY, 30, 10, 40, 0.25), rules=FREE)
    assert found.mean == pytest.approx((5 + 2.5) / (15 + 10), abs=1e-6)
    assert score(rules=FREE).mean == 0.05
