"""Training recovers the parameters behind the data, is deterministic, and handles levels that never occur."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from identity.em import Evidence
from identity.model import COMPARISONS, LOWEST_THRESHOLD, load_model
from identity.train import InsufficientTrainingData, train

TRUE_MATCHES, OTHERS = 4_000, 400_000
FACTS = {"known_matches": 0, "seed": 1}


def drawn(kind: int, count: int, random: np.random.Generator, **fixed: int) -> pl.DataFrame:
    """Patterns of `count` pairs drawn from the shipped model: kind 0 matches, 1 others; `fixed` sets levels for all."""
    levels = load_model().levels
    columns: dict[str, Any] = {}
    for comparison in COMPARISONS:
        shares = np.array([levels[comparison.name][level.name][kind] for level in comparison.levels])
        columns[comparison.name] = random.choice(len(shares), count, p=shares / shares.sum())
    return pl.DataFrame(columns).with_columns(**{name: pl.lit(level, pl.Int64) for name, level in fixed.items()})


def evidence(*groups: pl.DataFrame, others: int = OTHERS) -> Evidence:
    """Evidence in which all pairs are candidates, so that none are sampled."""
    names = [comparison.name for comparison in COMPARISONS]
    patterns = pl.concat(groups).group_by(names).agg(pl.len().alias("pairs")).sort(names)
    none = {comparison.name: np.zeros(len(comparison.levels)) for comparison in COMPARISONS}
    pairs = sum(group.height for group in groups)
    records = int((2 * pairs) ** 0.5)
    return Evidence(
        patterns=patterns, random=none, known=none, scale=1.0, pair_count=pairs, record_count=records, facts=FACTS
    )


@pytest.fixture(scope="module")
def observed() -> Evidence:
    random = np.random.default_rng(7)
    return evidence(drawn(0, TRUE_MATCHES, random), drawn(1, OTHERS, random))


def test_training_recovers_the_parameters_behind_the_data(observed: Evidence) -> None:
    true, found = load_model(), train(observed)
    assert found.match_rate * observed.pair_count == pytest.approx(TRUE_MATCHES, rel=0.05)
    for name in ("given_name", "surname", "date_of_birth"):
        for level, (m, u) in true.levels[name].items():
            assert found.levels[name][level] == pytest.approx((m, u), abs=0.03)


def test_the_same_evidence_gives_the_same_model_in_any_order(observed: Evidence) -> None:
    shuffled = replace(observed, patterns=observed.patterns.sample(fraction=1.0, shuffle=True, seed=3))
    again = train(shuffled)
    assert train(observed) == train(observed)
    assert again.match_rate == pytest.approx(train(observed).match_rate, rel=1e-6)


def test_a_level_that_never_occurs_keeps_a_probability() -> None:
    random = np.random.default_rng(7)
    only_equal = {"given_name": 0, "date_of_birth": 0}
    model = train(evidence(drawn(0, TRUE_MATCHES, random, **only_equal), drawn(1, OTHERS, random)))
    assert all(0 < share <= 1 for levels in model.levels.values() for pair in levels.values() for share in pair)
    assert "typo" in model.training["levels_no_match_showed"]["date_of_birth"]


def test_families_are_not_learnt_as_people() -> None:
    random = np.random.default_rng(7)
    last = {comparison.name: len(comparison.levels) - 1 for comparison in COMPARISONS}
    family = drawn(1, 5 * TRUE_MATCHES, random, surname=0, address=-1, given_name=last["given_name"])
    model = train(evidence(drawn(0, TRUE_MATCHES, random), drawn(1, OTHERS, random), family))
    assert model.match_rate * (TRUE_MATCHES * 6 + OTHERS) < 1.5 * TRUE_MATCHES
    m, u = model.levels["given_name"]["different"]
    assert m < 0.2 * u


def test_pairs_less_likely_than_not_are_never_joined(observed: Evidence) -> None:
    model = train(observed)
    assert model.threshold >= LOWEST_THRESHOLD
    assert model.training["expected_wrong_share"] <= 0.005


def test_too_little_data_is_reported() -> None:
    few = evidence(drawn(0, 3, np.random.default_rng(7)))
    with pytest.raises(InsufficientTrainingData, match="not enough training data") as refused:
        train(few)
    assert refused.value.exit_code == 6
