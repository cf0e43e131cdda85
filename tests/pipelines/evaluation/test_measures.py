"""The measures, by hand."""

from __future__ import annotations

import numpy as np

from pipelines.evaluation.measures import calibration, mean_by_person


def test_calibration_by_deciles_keeps_equal_chances_together() -> None:
    p = np.array([0.1] * 15 + [0.5] * 5)
    happened = np.array([0.0] * 15 + [1.0] * 5)
    assert [(one.cases, one.happened) for one in calibration(p, happened)] == [(15, 0.0), (5, 1.0)]


def test_measures_by_hand() -> None:
    found = mean_by_person(np.array([1.0, 1.0, 4.0]), np.array([0, 0, 1]), seed=1)
    assert found.value == 2
    assert found.low < 2 < found.high
