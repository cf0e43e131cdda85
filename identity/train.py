"""Training: how often each level of likeness occurs among matches and among other pairs, learnt without labels.

Here a warehouse's observations are looked at; `em.py` finds the parameters that explain what was seen.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl

from cdp.errors import IdentityError
from cdp.warehouse import Warehouse
from identity import edges, values
from identity.blocking import block
from identity.em import PRIOR_MATCHES, Counts, Evidence, Fit, fit, seen
from identity.model import COMPARISONS, Comparison, Model
from identity.scratch import scratch_copy
from identity.sql import statement
from identity.state import prepare
from identity.super_records import describe, regroup

# Random pairs looked at, and known matches.
MAX_RANDOM_PAIRS = 300_000
MAX_KNOWN_MATCHES = 20_000
# Fewer super-records than this, and too few of their pairs are other people's to tell what chance does; fewer matches
# than the prior counts for, and the parameters would be the prior's.
MIN_RECORDS = 100
MIN_MATCHES = PRIOR_MATCHES
# A level that fewer than half a match is expected to show was seen in none.
SHOWN = 0.5


class TooLittleToLearnFrom(IdentityError):
    """There are too few records, or too few of them are expected to be one person."""


def train_on_published(published: Warehouse, patterns: pl.DataFrame, *, seed: int) -> Model:
    """A model of what is published, which is only read.

    Raises:
        TooLittleToLearnFrom: as `train`.
    """
    with scratch_copy(published) as scratch:
        return train(gather(scratch, patterns, seed=seed))


def gather(warehouse: Warehouse, patterns: pl.DataFrame, *, seed: int) -> Evidence:
    """Look at the observations of a warehouse: at candidate pairs, at random pairs and at known matches.

    Args:
        patterns: values that are junk or generic by their looks: type, pattern, quality, reason.
        seed: what random pairs and known matches are drawn by, where there are more than are looked at.
    """
    prepare(warehouse, "training")
    values.judge(warehouse, patterns)
    edges.share_values(warehouse)
    known = _known_matches(warehouse, seed)
    regroup(warehouse)
    block(warehouse)
    records = warehouse.count("resolver.super_records")
    pair_count = records * (records - 1) // 2
    candidates = _levels(warehouse, "candidate_pairs", "resolver.super_records")
    _draw(warehouse, records, seed)
    random = _levels(warehouse, "random_pairs", "resolver.super_records")
    found, drawn = (int(frame["pairs"].sum()) for frame in (candidates, random))
    return Evidence(
        patterns=candidates,
        random={c.name: _count(random, c) for c in COMPARISONS},
        known=known,
        scale=max((pair_count - found) / max(drawn, 1), 1.0),
        pair_count=pair_count,
        record_count=records,
        facts={
            "seed": seed,
            "observations": warehouse.count("conformed.observations"),
            "super_records": records,
            "pairs": pair_count,
            "candidate_pairs": found,
            "random_pairs": drawn,
            "known_matches": warehouse.count("known_pairs"),
            "oversized_blocks": _oversized_blocks(warehouse),
        },
    )


def train(evidence: Evidence) -> Model:
    """The model that explains the evidence. Pure, and the same for the same evidence; its version tells parameters.

    Raises:
        TooLittleToLearnFrom: the evidence says less than what is assumed without any.
    """
    _require("records with a name or a date of birth", evidence.record_count, MIN_RECORDS)
    found = fit(evidence)
    _require("expected matches", found.expected_matches + evidence.facts["known_matches"], MIN_MATCHES)
    learnt = Model("", found.match_rate, found.threshold, _named(found))
    return replace(learnt, version=_version(learnt), training={**evidence.facts, **_outcome(found)})


def _require(what: str, there_are: float, at_least: float) -> None:
    if there_are < at_least:
        raise TooLittleToLearnFrom(
            f"too little to learn from: {there_are:.0f} {what}, and at least {at_least:.0f} are needed",
            hint="The shipped model needs no training",
        )


def _outcome(found: Fit) -> dict[str, Any]:
    unseen = {
        comparison.name: [level.name for level, pairs in zip(comparison.levels, shown, strict=True) if pairs < SHOWN]
        for comparison, shown in zip(COMPARISONS, found.shown, strict=True)
    }
    return {
        "rounds": found.rounds,
        "expected_matches": round(found.expected_matches),
        "joined_pairs": found.joined_pairs,
        "expected_wrong_share": round(found.wrong_share, 6),
        "levels_no_match_showed": {name: levels for name, levels in unseen.items() if levels},
    }


def _named(found: Fit) -> dict[str, dict[str, tuple[float, float]]]:
    return {
        comparison.name: {
            level.name: (float(of_match), float(of_other))
            for level, of_match, of_other in zip(comparison.levels, matches, others, strict=True)
        }
        for comparison, matches, others in zip(COMPARISONS, found.m, found.u, strict=True)
    }


def _version(learnt: Model) -> str:
    return "m" + sha256(json.dumps(asdict(learnt), sort_keys=True).encode()).hexdigest()[:12]


def _oversized_blocks(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The blocks that gave no pairs because too many share their key, by rule, most first."""
    return warehouse.query(
        "select rule, count(*) as blocks, max(record_count) as largest from identity.oversized_blocks "
        "group by rule order by blocks desc, rule"
    ).to_dicts()


def _levels(warehouse: Warehouse, pairs: str, records: str) -> pl.DataFrame:
    """How many of `pairs` (join_key_l, join_key_r) of `records` have which levels: a column a comparison, and pairs."""
    names = [c.name for c in COMPARISONS]
    levels = ", ".join(f"{_level(c)} as {c.name}" for c in COMPARISONS)
    columns = warehouse.query(f"select * from {records} limit 0").columns
    sides = ", ".join(f"l.{name} as {name}_l, r.{name} as {name}_r" for name in columns)
    return warehouse.query(
        f"select {', '.join(names)}, count(*) as pairs from (select {levels} from (select {sides} from {pairs} "
        f"join {records} l on l.unique_id = join_key_l join {records} r on r.unique_id = join_key_r)) "
        "group by all order by all"
    )


def _level(comparison: Comparison) -> str:
    tests = " ".join(f"when {level.sql} then {i}" for i, level in enumerate(comparison.levels[:-1]))
    return f"case when {comparison.missing} then -1 {tests} else {len(comparison.levels) - 1} end"


def _draw(warehouse: Warehouse, records: int, seed: int) -> None:
    """Write random_pairs: all pairs that no key has found where they are few, else a random sample."""
    if records * (records - 1) // 2 <= MAX_RANDOM_PAIRS:
        numbers = np.array(np.triu_indices(records, 1))
    else:
        numbers = np.random.default_rng(seed).integers(0, records, (2, MAX_RANDOM_PAIRS))
    with warehouse.frame("drawn_numbers", pl.DataFrame({"one": numbers[0], "other": numbers[1]})):
        warehouse.run(statement("random_pairs"), name="random_pairs")


def _known_matches(warehouse: Warehouse, seed: int) -> dict[str, Counts]:
    """Pairs a level among observations that share an identifier of their own, that identifier's field left out."""
    warehouse.run(
        statement("known_pairs"),
        {"seed": str(seed), "most": MAX_KNOWN_MATCHES},
        name="known_pairs",
    )
    ends = warehouse.query("select distinct unnest([join_key_l, join_key_r]) as observation_id from known_pairs")
    describe(warehouse, ends.with_columns(component_id="observation_id"))
    counts = {c.name: np.zeros(len(c.levels)) for c in COMPARISONS}
    for rule in warehouse.query("select distinct rule from known_pairs order by rule")["rule"]:
        found = _levels(warehouse, f"(from known_pairs where rule = '{rule}')", "component_records")
        for comparison in COMPARISONS:
            if not rule.startswith(comparison.name):
                counts[comparison.name] += _count(found, comparison)
    return counts


def _count(patterns: pl.DataFrame, comparison: Comparison) -> Counts:
    weights = patterns["pairs"].to_numpy().astype(float)
    return seen(patterns[comparison.name].to_numpy(), weights, np.zeros(len(comparison.levels)))
