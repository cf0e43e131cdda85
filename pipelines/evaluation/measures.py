"""Measures of predicted chances against outcomes: pure functions over arrays with one element per case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Groups = NDArray[np.int64]

RESAMPLES = 1_000
INTERVAL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bin:
    """Cases of about the same predicted chance: their number, the mean predicted chance, the observed share."""

    cases: int
    predicted: float
    happened: float

    @property
    def gap(self) -> float:
        return self.happened - self.predicted


def brier_scores(p: Numbers, happened: Numbers) -> Numbers:
    """Squared errors (Brier 1950)."""
    return np.asarray((p - happened) ** 2)


def calibration(p: Numbers, happened: Numbers, bins: int = 10) -> list[Bin]:
    """Predicted against observed, by deciles of the predicted chance. Equal chances stay in one bin."""
    order = np.argsort(p, kind="stable")
    at_edges = p[order][np.arange(1, bins) * len(p) // bins] if len(p) else p
    parts = np.split(order, np.unique(np.searchsorted(p[order], at_edges)))
    return [Bin(len(part), float(p[part].mean()), float(happened[part].mean())) for part in parts if len(part)]


def ratio_of_sums(numerators: Numbers, denominators: Numbers, people: Groups, seed: int) -> Estimate:
    """Σ numerators / Σ denominators over cases. The interval resamples people, because a person's cases are correlated.

    Args:
        people: 0-based number of the person behind each case.
    """
    tops, bottoms = (np.bincount(people, weights=values) for values in (numerators, denominators))
    present = np.bincount(people) > 0
    tops, bottoms = tops[present], bottoms[present]
    drawn = _resampled(np.stack([tops, bottoms], axis=1), seed)
    ratios = drawn[:, 0] / np.where(drawn[:, 1] == 0, np.nan, drawn[:, 1])
    tail = (1 - INTERVAL) / 2
    low, high = np.nanquantile(ratios, [tail, 1 - tail])
    return Estimate(float(tops.sum() / bottoms.sum()), float(low), float(high))


def mean_by_person(values: Numbers, people: Groups, seed: int) -> Estimate:
    """The mean over cases, with an interval from resampling people."""
    return ratio_of_sums(values, np.ones(len(values)), people, seed)


def _resampled(sums: Numbers, seed: int) -> Numbers:
    """Column sums of `RESAMPLES` samples of the rows, each drawn a Poisson number of times (Chamandy et al. 2012)."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.poisson(1.0, len(sums)) @ sums for _ in range(RESAMPLES)])


def numbered(names: Sequence[str]) -> Groups:
    """A 0-based number for each name; equal names have equal numbers."""
    return np.asarray(np.unique(np.asarray(names, dtype=object), return_inverse=True)[1], dtype=np.int64)
