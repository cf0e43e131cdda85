"""The Splink linker over super-records: scoring and charts use the same declaration of the model.

Only this folder imports splink.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from splink import Linker, SettingsCreator
from splink.backends.duckdb import DuckDBAPI, ParquetWriteOptions

from cdp.warehouse import Warehouse, open_memory
from identity.model import COMPARISONS, Comparison, Model

# DuckDB parallelises by row group. The row groups of its own tables are too large for a day's pairs.
ROW_GROUP = 8_192


def settings(model: Model) -> SettingsCreator:
    """Splink's settings: our comparisons and the model's parameters. Pairs are registered, not blocked by Splink."""
    return SettingsCreator(
        link_type="dedupe_only",
        probability_two_random_records_match=model.match_rate,
        comparisons=[_comparison(comparison, model) for comparison in COMPARISONS],
        blocking_rules_to_generate_predictions=[],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=True,
    )


def score(warehouse: Warehouse, table: str, model: Model, *, threshold: float) -> None:
    """Score the `candidate_pairs` of `table`; write the temporary table `scored_pairs`.

    Its columns: unique_id_l, unique_id_r, match_probability, match_weight, mw_<comparison>. Pairs below the
    probability `threshold` are left out.
    """
    if not warehouse.count("candidate_pairs"):
        warehouse.run(_NO_PAIRS, name="scored_pairs")
        return
    with TemporaryDirectory(dir=_without_wildcards(warehouse.scratch)) as folder:
        api = DuckDBAPI(
            connection=warehouse.connection,
            materialisation="parquet",
            materialisation_dir=folder,
            parquet_materialisation_options=ParquetWriteOptions(row_group_size=ROW_GROUP),
        )
        # Splink would look for columns that our own declaration lacks, for a second.
        linker = Linker(api.register(table), settings(model), log_level=None, validate_settings=False)
        linker.table_management.register_blocked_pairs_for_predict(api.register("candidate_pairs"))
        pairs = linker.inference.predict(threshold_match_probability=threshold)
        warehouse.run(
            f"create or replace temp table scored_pairs as select * from {pairs.physical_name}",
            name="scored_pairs",
        )
        linker.table_management.delete_tables_created_by_splink_from_db()  # type: ignore[no-untyped-call]


# Most runs that find nothing new have no pair to score: a linker would take half a second all the same.
_NO_PAIRS = f"""
create or replace temp table scored_pairs (
    unique_id_l varchar, unique_id_r varchar, match_probability double, match_weight double,
    {", ".join(f"mw_{comparison.name} double" for comparison in COMPARISONS)}
)
"""


def _without_wildcards(folder: Path | None) -> Path | None:
    """The folder, or None if its name would break the glob by which Splink finds its files, like `customers [1]`."""
    return None if folder is None or re.search(r"[*?\[]", str(folder)) else folder


def charts(model: Model) -> dict[str, str]:
    """Splink's charts of a model, by title: each an HTML document that works offline."""
    with closing(open_memory()) as warehouse:
        api = DuckDBAPI(connection=warehouse.connection)
        # A linker requires a table, although these charts read none.
        warehouse.run("create temp table no_records as select '' as unique_id limit 0", name="no_records")
        linker = Linker(api.register("no_records"), settings(model), log_level=None, validate_settings=False)
        drawn = linker.visualisations
        return {
            "Match weight of each agreement level": drawn.match_weights_chart().to_html(inline=True),
            "Frequency among matches (m) and non-matches (u)": drawn.m_u_parameters_chart().to_html(inline=True),
        }


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
