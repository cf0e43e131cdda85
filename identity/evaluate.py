"""How right the resolution is, against a truth. The measures are pure functions over tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from cdp import tables
from cdp.normalise import normalise_descriptions
from cdp.warehouse import Warehouse, open_memory
from identity.model import Model
from identity.resolve import NOTHING_KNOWN, resolve

# Evaluation stands outside of time: the records are one landing, in one run.
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
    """Pairs of records that are said to be one person, against those that are."""

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
    """Count pairs in a frame of record_id, cluster_id (as resolved) and entity_id (as true)."""
    return Pairwise(
        true_pairs=_pairs(records, "entity_id"),
        predicted_pairs=_pairs(records, "cluster_id"),
        shared_pairs=_pairs(records, "cluster_id", "entity_id"),
    )


def b_cubed(records: pl.DataFrame) -> Shares:
    """B³: per record, how much of its cluster is its entity, and of its entity its cluster; the mean over records.

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
    """Each record with the sizes of its cluster, its entity and what both have in common."""
    return records.with_columns(
        both=pl.len().over("cluster_id", "entity_id"),
        cluster=pl.len().over("cluster_id"),
        entity=pl.len().over("entity_id"),
    )


def resolve_records(
    records: pl.DataFrame,
    model: Model,
    patterns: pl.DataFrame,
    countries: pl.DataFrame,
    *,
    default_region: str,
    today: date,
) -> pl.DataFrame:
    """Run the production resolver over records: frame of record_id, cluster_id.

    Args:
        records: record_id and those of the columns of conformed.observations that there are, raw, as text.
    """
    warehouse = open_memory()
    try:
        _observe(warehouse, normalise_descriptions(records, countries, default_region=default_region, today=today))
        resolve(warehouse, NOTHING_KNOWN, model, patterns, run_id=RUN_ID)
        return warehouse.query(
            "select r.record_id, m.profile_id as cluster_id "
            "from observed_records r join identity.members m using (observation_id) order by r.record_id"
        )
    finally:
        warehouse.close()


def _observe(warehouse: Warehouse, records: pl.DataFrame) -> None:
    """Put cleaned records into an empty warehouse as its observations."""
    warehouse.create_tables(tables.TABLES)
    landed = {"file_id": FILE_ID, "landed_at": LANDED_AT, "run_id": RUN_ID}
    warehouse.append_rows(tables.FILES, pl.DataFrame([landed]))
    with warehouse.frame("incoming_records", records.with_row_index("line_number", offset=1)):
        warehouse.run(
            "create or replace temp table observed_records as select md5(record_id) as observation_id, * "
            "from incoming_records"
        )
    fixed: dict[str, Any] = {
        "first_seen_at": LANDED_AT,
        "last_seen_at": LANDED_AT,
        "event_count": 0,
        "is_verified": False,
        "file_id": FILE_ID,
    }
    observed = warehouse.query("select * exclude (record_id) from observed_records")
    known = [name for name in tables.OBSERVATIONS.column_names() if name in observed.columns]
    missing = {} if "source" in known else {"source": pl.lit("records")}
    constants = {name: pl.lit(value) for name, value in fixed.items()}
    warehouse.append_rows(tables.OBSERVATIONS, observed.select(*known).with_columns(**constants, **missing))


def _pairs(records: pl.DataFrame, *columns: str) -> int:
    sizes = records.group_by(*columns).agg(pl.len().cast(pl.Int64).alias("size"))["size"]
    return int((sizes * (sizes - 1) // 2).sum())
