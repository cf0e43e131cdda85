"""Expectation maximisation for the model of Fellegi and Sunter: the parameters that explain how alike pairs are.

Pure: counts in, parameters out. Pairs that a blocking key has found are looked at one by one (as counts of their
patterns of likeness); all others are other people, of whom a random sample tells enough. Three things keep it from
learning something else than persons, such as families:

- pairs that share an identifier of their own, a phone say, are known to be one person: they count as matches;
- a level starts at, and is drawn towards, a prior, so that one never seen keeps a probability;
- no field may differ in more than a quarter of the matches (a convex constraint, as in Winkler 1993, "Improved
  Decision Rules in the Fellegi-Sunter Model of Record Linkage").

Splink's own training works one blocking rule at a time, without the fields of that rule, and fails on levels that do
not occur; it scores with what is learnt here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from identity.model import COMPARISONS, HIGHEST_THRESHOLD, LOWEST_THRESHOLD, MAX_WRONG_LINKS, Comparison

Counts = npt.NDArray[np.float64]

# Before any data, most pairs of one person agree fully in a field, and the rest spread evenly; as many matches' worth.
PRIOR_AGREEMENT = 0.8
PRIOR_MATCHES = 20.0
# A level is taken to occur in a tenth more of a random pair than was seen.
PRIOR_RANDOM_PAIRS = 0.1
# Where the search begins: one match to five records.
FIRST_MATCHES_PER_RECORD = 0.2
MAX_DISAGREEMENT = 0.25
MAX_ROUNDS = 500
CONVERGED = 1e-6
# Parameters are kept to so many digits: what is beyond them differs from one processor to the next.
DIGITS = 6
THRESHOLD_DECIMALS = 4


@dataclass(frozen=True)
class Evidence:
    """What training looks at. Levels are counted strongest first, as declared; -1 says nothing.

    patterns: a column a comparison (its level), and `pairs`, how many candidate pairs look so.
    random, known: by comparison, pairs a level, among random pairs that no key has found and among known matches.
    scale: for how many pairs that no key has found a random one stands. pair_count: all pairs there are.
    record_count: super-records. facts: how much was looked at, for the record; JSON-ready.
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
    """What explains the evidence. By comparison, in the order declared: m and u a level, and how many matches were
    expected to show it; wrong_share: of the pairs from `threshold` on, how many are expected to be other people."""

    m: tuple[Counts, ...]
    u: tuple[Counts, ...]
    shown: tuple[Counts, ...]
    match_rate: float
    expected_matches: float
    threshold: float
    joined_pairs: int
    wrong_share: float
    rounds: int


def fit(evidence: Evidence) -> Fit:
    """The parameters under which the evidence is most likely; the same for the same evidence."""
    pairs = evidence.patterns["pairs"].to_numpy().astype(float)
    levels = [evidence.patterns[c.name].to_numpy() for c in COMPARISONS]
    known = [evidence.known[c.name] for c in COMPARISONS]
    of_matches = [_prior_matches(c) + counts for c, counts in zip(COMPARISONS, known, strict=True)]
    of_others = [(evidence.random[c.name] + PRIOR_RANDOM_PAIRS) * evidence.scale for c in COMPARISONS]
    m, u = [_shares(counts) for counts in of_matches], [_shares(counts) for counts in of_others]
    match_rate = FIRST_MATCHES_PER_RECORD * max(evidence.record_count, 1) / max(evidence.pair_count, 1)
    rounds, change = 0, np.inf
    while change > CONVERGED and rounds < MAX_ROUNDS:
        rounds += 1
        matches = pairs * _probability(levels, m, u, match_rate)
        m = [_limited(seen(level, matches, counts)) for level, counts in zip(levels, of_matches, strict=True)]
        u = [_shares(seen(level, pairs - matches, counts)) for level, counts in zip(levels, of_others, strict=True)]
        before, match_rate = match_rate, min(max(matches.sum(), 1.0) / max(evidence.pair_count, 1), 0.5)
        change = abs(np.log(match_rate / before))
    m, u, match_rate = [_rounded(shares) for shares in m], [_rounded(shares) for shares in u], _digits(match_rate)
    probability = _probability(levels, m, u, match_rate)
    threshold = _threshold(probability, pairs)
    joined = probability >= threshold
    return Fit(
        m=tuple(m),
        u=tuple(u),
        shown=tuple(seen(level, matches, counts) for level, counts in zip(levels, known, strict=True)),
        match_rate=match_rate,
        expected_matches=float(matches.sum()),
        threshold=threshold,
        joined_pairs=int(pairs[joined].sum()),
        wrong_share=float(((1 - probability) * pairs)[joined].sum() / max(pairs[joined].sum(), 1.0)),
        rounds=rounds,
    )


def seen(levels: npt.NDArray[Any], weights: Counts, before: Counts) -> Counts:
    """`before`, counts a level, and the weights of the pairs that show one."""
    said = levels >= 0
    return before + np.bincount(levels[said], weights[said], minlength=len(before))


def _prior_matches(comparison: Comparison) -> Counts:
    others = len(comparison.levels) - 1
    return PRIOR_MATCHES * np.array([PRIOR_AGREEMENT] + [(1 - PRIOR_AGREEMENT) / others] * others)


def _shares(counts: Counts) -> Counts:
    return np.asarray(counts / counts.sum())


def _limited(counts: Counts) -> Counts:
    """Shares of the levels, the last (`different`) held within its limit."""
    shares = _shares(counts)
    if shares[-1] > MAX_DISAGREEMENT:
        shares[:-1] *= (1 - MAX_DISAGREEMENT) / (1 - shares[-1])
        shares[-1] = MAX_DISAGREEMENT
    return shares


def _probability(levels: list[npt.NDArray[Any]], m: list[Counts], u: list[Counts], match_rate: float) -> Counts:
    """Of each pattern, the probability that its pairs are matches."""
    log_odds = np.full(len(levels[0]), np.log(match_rate / (1 - match_rate)))
    for level, of_match, of_other in zip(levels, m, u, strict=True):
        said = level >= 0
        log_odds[said] += np.log(of_match / of_other)[level[said]]
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def _threshold(probability: Counts, pairs: Counts) -> float:
    """The lowest probability at which all that is joined is expected to be right but for MAX_WRONG_LINKS.

    Rounded down, so that the pattern which sets it is joined also where a score is computed in another order.
    """
    surest_first = np.argsort(-probability, kind="stable")
    wrong = np.cumsum(((1 - probability) * pairs)[surest_first]) / np.cumsum(pairs[surest_first])
    joined = probability[surest_first][wrong <= MAX_WRONG_LINKS]
    lowest = np.floor(joined.min(initial=1.0) * 10**THRESHOLD_DECIMALS) / 10**THRESHOLD_DECIMALS
    return float(np.clip(lowest, LOWEST_THRESHOLD, HIGHEST_THRESHOLD))


def _rounded(shares: Counts) -> Counts:
    return np.array([_digits(share) for share in shares])


def _digits(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
