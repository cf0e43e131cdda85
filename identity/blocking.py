"""Which pairs are looked at: those that agree on a blocking key, unless too many share it."""

from __future__ import annotations

from cdp.warehouse import Warehouse
from identity.model import BLOCKING_KEYS, MAX_BLOCK_SIZE
from identity.sql import statement


def block(warehouse: Warehouse) -> None:
    """Write `candidate_pairs` (match_key, join_key_l, join_key_r: each pair of super-records once, as Splink takes
    them) and `blocks` (rule, key, records); oversized blocks give no pairs."""
    warehouse.run("create or replace temp table block_keys (rule varchar, key ubigint, unique_id varchar)")
    for rule, keys in BLOCKING_KEYS.items():
        warehouse.run(
            "insert into block_keys select distinct $rule, hash($rule, key), unique_id "
            f"from (select unique_id, unnest({keys}) as key from super_records) where key is not null",
            {"rule": rule},
            name=f"blocking key {rule}",
        )
    warehouse.run(statement("blocks"), name="blocks")
    warehouse.run(statement("candidate_pairs"), {"max_block_size": MAX_BLOCK_SIZE}, name="candidate_pairs")
