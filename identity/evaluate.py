"""Evaluation of a resolution against the truth. The measures are pure functions over tables."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from cdp import tables
from cdp.normalise import normalise_descriptions
from cdp.warehouse import Warehouse, open_memory
from identity.candidates import find_candidates
from identity.clusters import connected_components
from identity.model import Model, load_model
from identity.resolve import NOTHING_KNOWN, assign_profiles, resolve
from identity.train import UNTRAINED, train_or_keep

# Evaluation does not depend on time: the records are one landing, in one run.
LANDED_AT = datetime(2000, 1, 1, tzinfo=UTC)
RUN_ID = "run_20000101T000000_000000"
FILE_ID = "0" * 16


@dataclass(frozen=True)
class Shares:
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True)
class Pairwise:
    """Numbers of record pairs: truly one person, predicted to be, and both."""

    true_pairs: int
    predicted_pairs: int
    shared_pairs: int

    @property
    def precision(self) -> float:
        return self.shared_pairs / self.predicted_pairs if self.predicted_pairs else 1.0

    @property
    def recall(self) -> float:
        return self.shared_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def shares(self) -> Shares:
        return Shares(self.precision, self.recall)


def pairwise(records: pl.DataFrame) -> Pairwise:
    """Count pairs in a frame of record_id, cluster_id (resolved) and entity_id (true)."""
    return Pairwise(
        true_pairs=_pairs(records, "entity_id"),
        predicted_pairs=_pairs(records, "cluster_id"),
        shared_pairs=_pairs(records, "cluster_id", "entity_id"),
    )


def b_cubed(records: pl.DataFrame) -> Shares:
    """B³: per record, the shares of its cluster and of its entity that are in both; the means over all records.

    Source: Bagga and Baldwin (1998), Algorithms for Scoring Coreference Chains.
    """
    precision, recall = (
        _sized(records)
        .select(
            precision=(pl.col("both") / pl.col("cluster")).mean(),
            recall=(pl.col("both") / pl.col("entity")).mean(),
        )
        .row(0)
    )
    return Shares(precision, recall)


def exact_clusters(records: pl.DataFrame) -> float:
    """The share of true entities whose records are exactly one cluster."""
    exact = (pl.col("both") == pl.col("cluster")) & (pl.col("both") == pl.col("entity"))
    share: float = _sized(records).group_by("entity_id").agg(exact.all().alias("exact")).select(pl.mean("exact")).item()
    return share


def _sized(records: pl.DataFrame) -> pl.DataFrame:
    """Each record with the sizes of its cluster, its entity and their intersection."""
    return records.with_columns(
        both=pl.len().over("cluster_id", "entity_id"),
        cluster=pl.len().over("cluster_id"),
        entity=pl.len().over("entity_id"),
    )


def as_findable(records: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """`records` with each entity split into the parts that evidence connects.

    Records of one entity stay together if they share a piece of evidence, directly or through a chain of records of
    the same entity.

    Args:
        records: record_id, cluster_id, entity_id.
        evidence: record_id, evidence: something on a record, such as an e-mail address.
    """
    shared = evidence.join(records, on="record_id").select(
        left_id="record_id", right_id=pl.col("record_id").min().over("entity_id", "evidence")
    )
    parts = connected_components(records["record_id"], shared).rename({"observation_id": "record_id"})
    return records.join(parts, on="record_id").select("record_id", "cluster_id", entity_id="component_id")


@dataclass(frozen=True)
class Evaluation:
    """A resolution against its truth.

    records: record_id, cluster_id, entity_id. findable: the same, with entities split by `as_findable`.
    """

    records: pl.DataFrame
    findable: pl.DataFrame

    def figures(self) -> dict[str, Any]:
        """The measures, JSON-ready."""
        return {
            "records": self.records.height,
            "pairwise": _as_document(pairwise(self.records).shares),
            "b3": _as_document(b_cubed(self.records)),
            "exact_clusters": exact_clusters(self.records),
            "entities": {
                "predicted": self.records["cluster_id"].n_unique(),
                "true": self.records["entity_id"].n_unique(),
            },
        }

    def evidence(self) -> dict[str, Any]:
        """How many true pairs are connected by evidence, and the share of those that was found; JSON-ready."""
        findable = pairwise(self.findable)
        return {
            "true_pairs": pairwise(self.records).true_pairs,
            "with_evidence": findable.true_pairs,
            "recall_of_those": findable.recall,
        }

    def over_merges(self, limit: int) -> list[pl.DataFrame]:
        """The clusters with the most pairs of different entities, worst first: their rows of `records`."""
        return _most_divided(self.records, whole="cluster_id", part="entity_id", limit=limit)

    def misses(self, limit: int) -> list[pl.DataFrame]:
        """The entities with the most pairs in different clusters, worst first: their rows of `records`."""
        return _most_divided(self.records, whole="entity_id", part="cluster_id", limit=limit)


def _as_document(shares: Shares) -> dict[str, float]:
    return {"precision": shares.precision, "recall": shares.recall, "f1": shares.f1}


def _most_divided(records: pl.DataFrame, *, whole: str, part: str, limit: int) -> list[pl.DataFrame]:
    """The groups by `whole` with the most pairs that differ in `part`, ties by id; rows sorted by `part`."""
    pairs = pl.col("size") * (pl.col("size") - 1) // 2
    sizes = records.group_by(whole, part).agg(pl.len().cast(pl.Int64).alias("size"))
    divided = (
        sizes.group_by(whole)
        .agg(inside=pairs.sum(), size=pl.col("size").sum())
        .select(whole, divided=pairs - pl.col("inside"))
        .filter(pl.col("divided") > 0)
        .sort(["divided", whole], descending=[True, False])
        .head(limit)
    )
    return [records.filter(pl.col(whole) == one).sort(part, "record_id") for one in divided[whole]]


CLUSTERS = """
select r.record_id, m.profile_id as cluster_id
from observed_records r join identity.members m using (observation_id) order by r.record_id
"""

# Evidence: identifiers that are not junk, and the candidate pairs of the model.
SHARED_EVIDENCE = """
with observed as (
    select i.observation_id, i.type || ' ' || i.value as evidence
    from identity.identifiers i
    semi join (from identity.identifier_values where quality <> 'junk') v on v.type = i.type and v.value = i.value
    union all
    select unnest([join_key_l, join_key_r]), 'pair ' || join_key_l || ' ' || join_key_r from candidate_pairs
)
select r.record_id, o.evidence from observed o join observed_records r using (observation_id)
"""


def evaluate_records(
    records: pl.DataFrame,
    truth: pl.DataFrame,
    model: Model | None,
    patterns: pl.DataFrame,
    countries: pl.DataFrame,
    *,
    default_region: str,
    today: date,
) -> tuple[Evaluation, Model]:
    """Run the production resolver over records and compare the outcome with the truth, which the resolver does not see.

    Args:
        records: record_id and any columns of conformed.observations, raw, as text.
        truth: record_id, entity_id of all of them.
        model: None to train one on the records, as a first run does.

    Returns:
        The evaluation, and the model used.
    """
    with closing(open_memory()) as warehouse:
        _observe(warehouse, normalise_descriptions(records, countries, default_region=default_region, today=today))
        used = _resolve(warehouse, model, patterns)
        clusters, evidence = warehouse.query(CLUSTERS), warehouse.query(SHARED_EVIDENCE)
    labelled = clusters.join(truth, on="record_id", maintain_order="left")
    return Evaluation(labelled, as_findable(labelled, evidence)), used


def _resolve(warehouse: Warehouse, model: Model | None, patterns: pl.DataFrame) -> Model:
    if model:
        resolve(warehouse, NOTHING_KNOWN, model, patterns, run_id=RUN_ID)
        return model
    find_candidates(warehouse, patterns, rules=UNTRAINED)
    found = train_or_keep(warehouse, load_model(), patterns)
    assign_profiles(warehouse, NOTHING_KNOWN, found, run_id=RUN_ID)
    return found


# Columns of an observation that are not text, read from text; missing ones get the values of a landing.
TYPED = {
    "source": "coalesce(source, 'records')",
    "external_ids": "try_cast(external_ids as json)",
    "is_verified": "coalesce(try_cast(is_verified as boolean), false)",
    "is_claim": "coalesce(try_cast(is_claim as boolean), false)",
    "first_seen_at": "coalesce(from_iso(first_seen_at), $landed_at)",
    "last_seen_at": "coalesce(from_iso(last_seen_at), from_iso(first_seen_at), $landed_at)",
    "event_count": "coalesce(try_cast(event_count as bigint), 0)",
}


def _observe(warehouse: Warehouse, records: pl.DataFrame) -> None:
    """Insert normalised records into an empty warehouse as observations."""
    warehouse.create_tables(tables.TABLES)
    warehouse.append_rows(tables.FILES, pl.DataFrame([{"file_id": FILE_ID, "landed_at": LANDED_AT, "run_id": RUN_ID}]))
    missing = [pl.lit(None, pl.String).alias(name) for name in TYPED if name not in records.columns]
    typed = ", ".join(f"{sql} as {name}" for name, sql in TYPED.items())
    with warehouse.frame("incoming_records", records.with_columns(missing).with_row_index("line_number", offset=1)):
        warehouse.run(
            "create or replace temp table observed_records as "
            f"select md5(record_id) as observation_id, $file_id as file_id, * replace ({typed}) from incoming_records",
            {"landed_at": LANDED_AT, "file_id": FILE_ID},
            name="observed_records",
        )
    warehouse.run(
        f"insert into {tables.OBSERVATIONS.full_name} by name select * exclude (record_id) from observed_records",
        name=tables.OBSERVATIONS.full_name,
    )


def _pairs(records: pl.DataFrame, *columns: str) -> int:
    sizes = records.group_by(*columns).agg(pl.len().cast(pl.Int64).alias("size"))["size"]
    return int((sizes * (sizes - 1) // 2).sum())
