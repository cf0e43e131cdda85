"""The quality of an identifier value: unique, shared, generic or junk.

Values are judged by the number of distinct people behind them, counted by names, not by rows: a family's e-mail is
shared and one customer's is not, however often either occurs.
"""

from __future__ import annotations

import polars as pl

from cdp.warehouse import Warehouse
from identity.names import NAMES_ALIKE, given_forms
from identity.sql import statement

# A value with more distinct people than this says nothing about any of them.
MAX_PEOPLE = 6
# The given names behind a value are compared with each other only up to this many distinct names.
MAX_NAMES = 40


def judge(warehouse: Warehouse, patterns: pl.DataFrame) -> None:
    """Judge the values that new and changed observations carry or carried: update identity.identifiers,
    identity.identifier_values and the resolver's contact points.

    Writes `changed` and `touched` observations, `touched_values`, their `valued_holders`, and `redescribed`, the
    observations whose contact points have changed.

    Args:
        patterns: frame of type, pattern (a regular expression over the lower-cased value), quality, reason.
    """
    warehouse.run(NAMES_ALIKE + statement("likeness"), name="macros of identity")
    with warehouse.frame("incoming_forms", given_forms()):
        warehouse.run("create or replace temp table given_forms as select * from incoming_forms")
    warehouse.run(statement("changed"), name="changed")
    warehouse.run(statement("touched"), name="touched")
    warehouse.run(statement("features"), name="resolver.features")
    warehouse.run(statement("identifiers"), name="identity.identifiers")
    _list_patterned(warehouse, patterns)
    warehouse.run(statement("holders"), {"max_names": MAX_NAMES}, name="holders")
    warehouse.run(statement("recycled"), {"max_people": MAX_PEOPLE}, name="recycled")
    warehouse.run(statement("epochs"), name="epochs")
    warehouse.run(statement("contested"), {"max_names": MAX_NAMES}, name="contested")
    warehouse.run(statement("judged_values"), {"max_people": MAX_PEOPLE}, name="judged_values")
    warehouse.run(statement("identifier_values"), name="identity.identifier_values")
    warehouse.run(statement("valued_holders"), name="valued_holders")
    warehouse.run(statement("contact_points"), name="resolver.contact_points")


def _list_patterned(warehouse: Warehouse, patterns: pl.DataFrame) -> None:
    """Write the temporary table `listed_values`: the touched values that match a pattern.

    One statement per pattern, because DuckDB compiles a pattern only once if it is a constant.
    """
    warehouse.run(statement("listed_values"), name="listed_values")
    for kind, pattern, quality, reason in patterns.select("type", "pattern", "quality", "reason").iter_rows():
        warehouse.run(
            "insert into listed_values select type, value, $quality, $reason from touched_values "
            f"where type = $type and regexp_full_match(lower(value), {_literal(pattern)})",
            {"type": kind, "quality": quality, "reason": reason},
            name=f"pattern of {kind}",
        )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
