"""The model's comparison of two people, field by field, with its chart. The published warehouse is only read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from math import log2
from typing import Any

import polars as pl
from splink import Linker
from splink.backends.duckdb import DuckDBAPI

from cdp import tables
from cdp.warehouse import Warehouse, open_memory
from identity import edges, values
from identity.linker import settings
from identity.model import COMPARISONS, Comparison, Model
from identity.sql import statement
from identity.state import prepare
from identity.super_records import describe, regroup


@dataclass(frozen=True)
class Field:
    """A compared field: its agreement level, both values, and the match weight (log2 odds)."""

    name: str
    level: str
    left: str
    right: str
    weight: float


@dataclass(frozen=True)
class Scored:
    """A scored pair of super-records. left_id, right_id: the observations that represent them. prior: log2 odds that
    two random super-records are one person. weight: the sum of the prior and all fields. record: Splink's own row,
    for its charts."""

    left_id: str
    right_id: str
    prior: float
    fields: tuple[Field, ...]
    weight: float
    probability: float
    record: dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """An in-memory warehouse with the super-records of a few people, and the model's linker over them."""

    warehouse: Warehouse
    model: Model
    linker: Linker
    api: DuckDBAPI

    def score(self, left: Sequence[str], right: Sequence[str]) -> Scored | None:
        """The best-scoring pair of super-records of two groups of observations; None if either group has none."""
        sides = [self._side(name, ids) for name, ids in (("left_records", left), ("right_records", right))]
        pairs = self.linker.inference.score_pairs(*sides).as_record_list()
        best = max(pairs, key=lambda pair: (pair["match_weight"], pair["unique_id_l"]), default=None)
        return _scored(best, self.model) if best else None

    def chart(self, scored: Sequence[Scored]) -> str:
        """Splink's waterfall chart of the pairs: an HTML document that works offline."""
        waterfall = self.linker.visualisations.waterfall_chart([one.record for one in scored])
        return str(waterfall.to_html(inline=True))

    def _side(self, name: str, ids: Sequence[str]) -> Any:
        with self.warehouse.frame("side", pl.DataFrame({"observation_id": ids}, schema={"observation_id": pl.String})):
            self.warehouse.run(
                f"create or replace temp table {name} as select s.* exclude (component_id) from component_records s "
                "join components c on c.observation_id = s.unique_id where c.component_id in "
                "(select component_id from components semi join side using (observation_id))",
                name=name,
            )
        return self.api.register(name)


@contextmanager
def bench(
    published: Warehouse, observation_ids: Sequence[str], model: Model, patterns: pl.DataFrame, *, alone: bool = False
) -> Iterator[Bench]:
    """Set up a comparison of published observations.

    Args:
        alone: compare the observations themselves instead of the super-records that they belong to.
    """
    asked = pl.DataFrame({"observation_id": observation_ids}, schema={"observation_id": pl.String})
    with published.frame("asked", asked):
        observations = published.query(statement("neighbourhood"))
    with published.frame("neighbours", observations.select("observation_id")):
        places = published.query(
            "select observation_id, profile_id from identity.members semi join neighbours using (observation_id) "
            "where valid_to_run is null"
        )
    with closing(open_memory()) as scratch:
        scratch.create_tables(tables.TABLES)
        scratch.append_rows(tables.OBSERVATIONS, observations)
        prepare(scratch, "comparison")
        values.judge(scratch, patterns)
        edges.join_shared_values(scratch)
        regroup(scratch)
        # An exact component that a constraint has split is one super-record per profile.
        whole = "component_id || profile_id" if not alone else "observation_id"
        with scratch.frame("published_places", places):
            parts = scratch.query(
                f"select observation_id, {whole} as component_id "
                "from resolver.components join published_places using (observation_id)"
            )
        describe(scratch, parts)
        api = DuckDBAPI(connection=scratch.connection)
        # The pairs are given, so no blocking is needed; the chart needs the values too.
        shown = replace(settings(model), blocking_rules_to_generate_predictions=[], retain_matching_columns=True)
        yield Bench(scratch, model, Linker(api.register("component_records"), shown, log_level=None), api)


def _scored(pair: dict[str, Any], model: Model) -> Scored:
    return Scored(
        left_id=pair["unique_id_l"],
        right_id=pair["unique_id_r"],
        prior=log2(model.match_rate / (1 - model.match_rate)),
        fields=tuple(_field(comparison, pair) for comparison in COMPARISONS),
        weight=float(pair["match_weight"]),
        probability=float(pair["match_probability"]),
        record=pair,
    )


def _field(comparison: Comparison, pair: Mapping[str, Any]) -> Field:
    """A field's result. Splink numbers levels from the weakest, 0; -1 means missing."""
    gamma = int(pair[f"gamma_{comparison.name}"])
    level = "missing" if gamma < 0 else comparison.levels[len(comparison.levels) - 1 - gamma].name
    left, right = (_shown(comparison, pair, side) for side in ("l", "r"))
    weight = pair[f"mw_{comparison.name}"] + pair.get(f"mw_tf_adj_{comparison.name}", 0.0)
    return Field(comparison.name, level, left, right, float(weight))


def _shown(comparison: Comparison, pair: Mapping[str, Any], side: str) -> str:
    """One side's values in a comparison: the columns that its `missing` condition names."""
    columns = dict.fromkeys(re.findall(r"\b(\w+)_l\b", comparison.missing))
    values = (pair.get(f"{column}_{side}") for column in columns)
    return ", ".join(", ".join(value) if isinstance(value, list) else str(value) for value in values if value)
