"""The Splink linker over super-records: training and scoring build it from the same declaration.

Only this folder imports splink.
"""

from __future__ import annotations

from typing import Any

from splink import Linker, SettingsCreator
from splink.backends.duckdb import DuckDBAPI
from splink.blocking_rule_library import CustomRule

from cdp.warehouse import Warehouse
from identity.model import BLOCKING_KEYS, COMPARISONS, MAX_BLOCK_SIZE, Comparison, Model


def settings(model: Model) -> SettingsCreator:
    """Splink's settings: our comparisons with the model's parameters."""
    return SettingsCreator(
        link_type="dedupe_only",
        probability_two_random_records_match=model.match_rate,
        comparisons=[_comparison(comparison, model) for comparison in COMPARISONS],
        blocking_rules_to_generate_predictions=[CustomRule(f"l.key_{name} = r.key_{name}") for name in BLOCKING_KEYS],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=True,
    )


def score(warehouse: Warehouse, table: str, model: Model, *, threshold: float) -> None:
    """Score the pairs of `table` that the blocking rules find; write the temporary table `scored_pairs`.

    Its columns: unique_id_l, unique_id_r, match_probability, match_weight, gamma_<comparison>,
    mw_<comparison>. Pairs below `threshold` are left out.
    """
    _add_blocking_keys(warehouse, table)
    api = DuckDBAPI(connection=warehouse.connection)
    linker = Linker(api.register("blocked_records"), settings(model), log_level=None)
    pairs = linker.inference.predict(threshold_match_probability=threshold)
    warehouse.run(
        f"create or replace temp table scored_pairs as select * from {pairs.physical_name}",
        name="scored_pairs",
    )
    linker.table_management.delete_tables_created_by_splink_from_db()  # type: ignore[no-untyped-call]


def _add_blocking_keys(warehouse: Warehouse, table: str) -> None:
    """Write `blocked_records`: the rows of `table` with their blocking keys, those of oversized blocks left out."""
    keys = ", ".join(f"{sql} as raw_{name}" for name, sql in BLOCKING_KEYS.items())
    kept = ", ".join(
        f"case when count(*) over (partition by raw_{name}) <= {MAX_BLOCK_SIZE} then raw_{name} end as key_{name}"
        for name in BLOCKING_KEYS
    )
    raw = ", ".join(f"raw_{name}" for name in BLOCKING_KEYS)
    warehouse.run(
        f"create or replace temp table blocked_records as select * exclude ({raw}), {kept} "
        f"from (select *, {keys} from {table})",
        name="blocked_records",
    )


def _comparison(comparison: Comparison, model: Model) -> dict[str, Any]:
    missing = {"sql_condition": comparison.missing, "label_for_charts": "missing", "is_null_level": True}
    levels = [
        {
            "sql_condition": level.sql,
            "label_for_charts": level.name,
            "m_probability": model.levels[comparison.name][level.name][0],
            "u_probability": model.levels[comparison.name][level.name][1],
        }
        for level in comparison.levels
    ]
    return {"output_column_name": comparison.name, "comparison_levels": [missing, *levels]}
