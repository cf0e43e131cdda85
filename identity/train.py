"""Training: how often each agreement level occurs among matches and non-matches, learnt without labels.

This module gathers the evidence from a warehouse's observations; `em.py` fits the parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl

from cdp.errors import IdentityError
from cdp.warehouse import Warehouse
from identity.candidates import find_candidates
from identity.em import PRIOR_MATCHES, Counts, Evidence, Fit, add_counts, fit
from identity.model import COMPARISONS, Comparison, Model, load_model
from identity.scratch import scratch_copy
from identity.sql import statement
from identity.state import adopt, rules_digest
from identity.super_records import describe

# The most pairs to learn from: candidates, random pairs and known matches.
MAX_CANDIDATES = 300_000
MAX_RANDOM_PAIRS = 300_000
MAX_KNOWN_MATCHES = 20_000
# With fewer super-records there are too few pairs of different people to estimate chance agreement; with fewer matches
# than the prior is worth, the parameters would be those of the prior.
MIN_RECORDS = 100
MIN_MATCHES = PRIOR_MATCHES
# A level counts as unseen if less than this many matches are expected to show it.
SHOWN = 0.5
# A model has been outgrown by so many times the observations that it was trained on. Where they were too few to train
# on, so many times as many may be enough.
OUTGROWN, RETRY = 10, 2
# What `find_candidates` takes for the rules of a resolution whose model is not there yet.
UNTRAINED = "untrained"
# The seed of the samples that a run draws.
SEED = 1


class InsufficientTrainingData(IdentityError):
    """There are too few records, or too few expected matches among them."""


def train_on_published(published: Warehouse, patterns: pl.DataFrame, *, seed: int) -> Model:
    """A model trained on the published warehouse, which is only read.

    Raises:
        InsufficientTrainingData: as `train`.
    """
    with scratch_copy(published) as scratch:
        find_candidates(scratch, patterns, rules=UNTRAINED)
        return train(gather(scratch, seed=seed))


def why_train(warehouse: Warehouse, model: Model) -> str | None:
    """Why a run trains a model of its own before it links, in words; None if `model` fits the observations."""
    observations, fields = warehouse.count("conformed.observations"), fields_of(warehouse)
    if observations < RETRY * _untrainable(warehouse) or observations < MIN_RECORDS:
        return None
    if model.version == load_model().version:
        return "the shipped one was made of other people"
    learnt_from, learnt_fields = model.training["observations"], model.training.get("fields", {})
    if observations >= OUTGROWN * learnt_from:
        return f"the one in use was trained on {learnt_from:,} observations, of {observations:,} now"
    new = [name for name, count in fields.items() if count >= MIN_RECORDS > learnt_fields.get(name, 0)]
    return f"the one in use has hardly seen {', '.join(new)} before".replace("_", " ") if new else None


def _untrainable(warehouse: Warehouse) -> int:
    """How many observations there were when they were last too little to train on."""
    warehouse.run(statement("resolver"), name="resolver")
    return int(warehouse.scalar("select coalesce(max(observations), 0) from resolver.untrainable"))


def train_or_keep(warehouse: Warehouse, model: Model, patterns: pl.DataFrame) -> Model:
    """A model trained on the evidence of `find_candidates` (rules: `UNTRAINED`), or else `model`, if it is too little.
    The resolution goes on under the one returned.
    """
    warehouse.run("delete from resolver.untrainable")
    try:
        model = train(gather(warehouse, seed=SEED))
    except InsufficientTrainingData:
        # Remembered, because each attempt examines everybody.
        warehouse.run("insert into resolver.untrainable select count(*) from conformed.observations")
    adopt(warehouse, rules_digest(model, patterns))
    return model


def gather(warehouse: Warehouse, *, seed: int) -> Evidence:
    """Gather training evidence: the candidates of `find_candidates`, random pairs and known matches.

    Args:
        seed: for drawing pairs, where there are more than the sample sizes.
    """
    records = warehouse.count("resolver.super_records")
    pair_count = records * (records - 1) // 2
    found = warehouse.count("candidate_pairs")
    warehouse.run(statement("training_pairs"), {"seed": str(seed), "most": MAX_CANDIDATES}, name="training_pairs")
    candidates = _levels(warehouse, "training_pairs", "resolver.super_records")
    _draw(warehouse, records, seed)
    random = _levels(warehouse, "random_pairs", "resolver.super_records")
    sampled, drawn = (int(frame["pairs"].sum()) for frame in (candidates, random))
    return Evidence(
        patterns=candidates.with_columns(pairs=pl.col("pairs") * (found / max(sampled, 1))),
        random={c.name: _count(random, c) for c in COMPARISONS},
        known=_known_matches(warehouse, seed),
        scale=max((pair_count - found) / max(drawn, 1), 1.0),
        pair_count=pair_count,
        record_count=records,
        facts={
            "seed": seed,
            "observations": warehouse.count("conformed.observations"),
            "fields": fields_of(warehouse),
            "super_records": records,
            "pairs": pair_count,
            "candidate_pairs": found,
            "sampled_candidate_pairs": sampled,
            "random_pairs": drawn,
            "known_matches": warehouse.count("known_pairs"),
            "oversized_blocks": _oversized_blocks(warehouse),
        },
    )


def train(evidence: Evidence) -> Model:
    """The model that best explains the evidence. Pure and deterministic; the version is a hash of the parameters.

    Raises:
        InsufficientTrainingData: the evidence would not outweigh the prior.
    """
    _require("records with a name or a date of birth", evidence.record_count, MIN_RECORDS)
    found = fit(evidence, load_model())
    _require("expected matches", found.expected_matches + evidence.facts["known_matches"], MIN_MATCHES)
    learnt = Model("", found.match_rate, found.threshold, _named(found))
    return replace(learnt, version=_version(learnt), training={**evidence.facts, **_outcome(found)})


# The columns of an observation that a comparison needs.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "given_name": ("first_name",),
    "surname": ("last_name",),
    "date_of_birth": ("date_of_birth",),
    "email": ("email",),
    "phone": ("phone",),
    "address": ("street", "postcode", "city"),
}


def fields_of(warehouse: Warehouse) -> dict[str, int]:
    """How many observations have something to compare, by comparison."""
    counts = (
        f"count(*) filter (coalesce({', '.join(columns)}) is not null) as {name}" for name, columns in _COLUMNS.items()
    )
    return dict(warehouse.query(f"select {', '.join(counts)} from conformed.observations").row(0, named=True))


def _require(what: str, count: float, at_least: float) -> None:
    if count < at_least:
        raise InsufficientTrainingData(
            f"not enough training data: {count:.0f} {what}, at least {at_least:.0f} needed",
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
    """The blocks skipped because too many records share their key, by rule, most blocks first."""
    return warehouse.query(
        "select rule, count(*) as blocks, max(record_count) as largest from identity.oversized_blocks "
        "group by rule order by blocks desc, rule"
    ).to_dicts()


def _levels(warehouse: Warehouse, pairs: str, records: str) -> pl.DataFrame:
    """Agreement patterns of `pairs` (join_key_l, join_key_r) of `records`: a level per comparison, and `pairs`."""
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
    """Write random_pairs: pairs that no key has found, all of them if they are few, otherwise a random sample."""
    if records * (records - 1) // 2 <= MAX_RANDOM_PAIRS:
        numbers = np.array(np.triu_indices(records, 1))
    else:
        numbers = np.random.default_rng(seed).integers(0, records, (2, MAX_RANDOM_PAIRS))
    with warehouse.frame("drawn_numbers", pl.DataFrame({"one": numbers[0], "other": numbers[1]})):
        warehouse.run(statement("random_pairs"), name="random_pairs")


def _known_matches(warehouse: Warehouse, seed: int) -> dict[str, Counts]:
    """Pairs per level among observations that share a unique identifier, without the field of that identifier."""
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
    return add_counts(np.zeros(len(comparison.levels)), patterns[comparison.name].to_numpy(), weights)
