"""Expectation maximisation for the Fellegi-Sunter model: the parameters that best explain the agreement patterns.

Pure: counts in, parameters out. Pairs found by a blocking key are all used (as counts of their agreement patterns);
all other pairs are taken to be different people and are represented by a random sample. Three measures keep the
training from learning groups other than persons, such as families:

- pairs that share a unique identifier, such as a phone, are known to be one person and count as matches;
- the levels of matches start at, and are pulled towards, those of a prior, the shipped model: a level that no match
  shows keeps a probability;
- no field may differ in more than a quarter of the matches (a convex constraint, as in Winkler 1993, "Improved
  Decision Rules in the Fellegi-Sunter Model of Record Linkage").

Splink's own training works on one blocking rule at a time, without the fields of that rule, and fails on levels that
do not occur. Splink only scores, with the parameters learnt here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from identity.model import COMPARISONS, HIGHEST_THRESHOLD, LOWEST_THRESHOLD, MAX_WRONG_LINKS, Comparison, Model

Counts = npt.NDArray[np.float64]

# The prior counts for so many matches.
PRIOR_MATCHES = 20.0
# Added to the count of each level among random pairs, so that no level has probability zero.
PRIOR_RANDOM_PAIRS = 0.1
# The starting point: one match per five records.
FIRST_MATCHES_PER_RECORD = 0.2
MAX_DISAGREEMENT = 0.25
MAX_ROUNDS = 500
CONVERGED = 1e-6
# Significant digits of the parameters; further digits differ between processors.
DIGITS = 6
THRESHOLD_DECIMALS = 4


@dataclass(frozen=True)
class Evidence:
    """The training data. Levels are numbered strongest first, as declared; -1 means missing.

    patterns: one column per comparison (its level), and `pairs`, the number of candidate pairs with that pattern.
    random, known: by comparison, the number of pairs per level, among random pairs that no key found and among known
    matches. scale: how many pairs that no key found each random pair represents. pair_count: the number of all pairs.
    record_count: the number of super-records. facts: the sizes of the training data, for the report; JSON-ready.
    """

    patterns: pl.DataFrame
    random: Mapping[str, Counts]
    known: Mapping[str, Counts]
    scale: float
    pair_count: int
    record_count: int
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Fit:
    """The fitted parameters. m, u and shown are by comparison, in the order declared: m and u per level, and how many
    matches are expected to show each level. wrong_share: the expected share of non-matches among the joined pairs."""

    m: tuple[Counts, ...]
    u: tuple[Counts, ...]
    shown: tuple[Counts, ...]
    match_rate: float
    expected_matches: float
    threshold: float
    joined_pairs: int
    wrong_share: float
    rounds: int


def fit(evidence: Evidence, prior: Model) -> Fit:
    """The parameters under which the evidence is most likely, given a prior for the matches. Deterministic."""
    pairs = evidence.patterns["pairs"].to_numpy().astype(float)
    levels = [evidence.patterns[c.name].to_numpy() for c in COMPARISONS]
    known = [evidence.known[c.name] for c in COMPARISONS]
    of_matches = [_prior_matches(c, prior) + counts for c, counts in zip(COMPARISONS, known, strict=True)]
    of_others = [(evidence.random[c.name] + PRIOR_RANDOM_PAIRS) * evidence.scale for c in COMPARISONS]
    m, u = [_shares(counts) for counts in of_matches], [_shares(counts) for counts in of_others]
    match_rate = FIRST_MATCHES_PER_RECORD * max(evidence.record_count, 1) / max(evidence.pair_count, 1)
    rounds, change = 0, np.inf
    while change > CONVERGED and rounds < MAX_ROUNDS:
        rounds += 1
        matches = pairs * _probability(levels, m, u, match_rate)
        m = [_limited(add_counts(counts, level, matches)) for level, counts in zip(levels, of_matches, strict=True)]
        u = [
            _shares(add_counts(counts, level, pairs - matches)) for level, counts in zip(levels, of_others, strict=True)
        ]
        before, match_rate = match_rate, min(max(matches.sum(), 1.0) / max(evidence.pair_count, 1), 0.5)
        change = abs(np.log(match_rate / before))
    m, u, match_rate = [_rounded(shares) for shares in m], [_rounded(shares) for shares in u], _digits(match_rate)
    probability = _probability(levels, m, u, match_rate)
    threshold = _threshold(probability, pairs)
    joined = probability >= threshold
    return Fit(
        m=tuple(m),
        u=tuple(u),
        shown=tuple(add_counts(counts, level, matches) for level, counts in zip(levels, known, strict=True)),
        match_rate=match_rate,
        expected_matches=float(matches.sum()),
        threshold=threshold,
        joined_pairs=int(pairs[joined].sum()),
        wrong_share=float(((1 - probability) * pairs)[joined].sum() / max(pairs[joined].sum(), 1.0)),
        rounds=rounds,
    )


def add_counts(counts: Counts, levels: npt.NDArray[Any], weights: Counts) -> Counts:
    """`counts` per level plus the weights of the pairs at each level."""
    present = levels >= 0
    return counts + np.bincount(levels[present], weights[present], minlength=len(counts))


def _prior_matches(comparison: Comparison, prior: Model) -> Counts:
    return PRIOR_MATCHES * np.array([prior.levels[comparison.name][level.name][0] for level in comparison.levels])


def _shares(counts: Counts) -> Counts:
    return np.asarray(counts / counts.sum())


def _limited(counts: Counts) -> Counts:
    """Shares of the levels, with the last one (`different`) capped at MAX_DISAGREEMENT."""
    shares = _shares(counts)
    if shares[-1] > MAX_DISAGREEMENT:
        shares[:-1] *= (1 - MAX_DISAGREEMENT) / (1 - shares[-1])
        shares[-1] = MAX_DISAGREEMENT
    return shares


def _probability(levels: list[npt.NDArray[Any]], m: list[Counts], u: list[Counts], match_rate: float) -> Counts:
    """The probability, for each pattern, that its pairs are matches."""
    log_odds = np.full(len(levels[0]), np.log(match_rate / (1 - match_rate)))
    for level, of_match, of_other in zip(levels, m, u, strict=True):
        present = level >= 0
        log_odds[present] += np.log(of_match / of_other)[level[present]]
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def _threshold(probability: Counts, pairs: Counts) -> float:
    """The lowest threshold at which the expected share of wrong links is at most MAX_WRONG_LINKS.

    Rounded down, so that the pattern that sets it is joined even if its score is summed in another order.
    """
    most_likely_first = np.argsort(-probability, kind="stable")
    wrong = np.cumsum(((1 - probability) * pairs)[most_likely_first]) / np.cumsum(pairs[most_likely_first])
    joined = probability[most_likely_first][wrong <= MAX_WRONG_LINKS]
    lowest = np.floor(joined.min(initial=1.0) * 10**THRESHOLD_DECIMALS) / 10**THRESHOLD_DECIMALS
    return float(np.clip(lowest, LOWEST_THRESHOLD, HIGHEST_THRESHOLD))


def _rounded(shares: Counts) -> Counts:
    return np.array([_digits(share) for share in shares])


def _digits(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
