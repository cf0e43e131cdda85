"""Blocking: candidate pairs are those that agree on a blocking key, unless too many records share the key."""

from __future__ import annotations

from cdp.warehouse import Warehouse
from identity.model import BLOCKING_KEYS, MAX_BLOCK_SIZE
from identity.sql import statement


def block(warehouse: Warehouse) -> None:
    """Write `candidate_pairs` (match_key, join_key_l, join_key_r: each pair of super-records once, in Splink's format)
    and `rescored`, the super-records all of whose pairs are among them.

    Reads `changed_records` and their descriptions. An oversized block yields no pairs and is listed in
    identity.oversized_blocks.
    """
    warehouse.run(statement("new_block_keys"), name="new_block_keys")
    for rule, keys in BLOCKING_KEYS.items():
        warehouse.run(
            "insert into new_block_keys select distinct $rule, hash($rule, key), unique_id from "
            f"(select unique_id, unnest({keys}) as key from component_records "
            "semi join changed_records using (unique_id)) where key is not null",
            {"rule": rule},
            name=f"blocking key {rule}",
        )
    warehouse.run(statement("block_keys"), name="resolver.block_keys")
    warehouse.run(statement("blocks"), {"max_block_size": MAX_BLOCK_SIZE}, name="blocks")
    warehouse.run(statement("oversized_blocks"), name="identity.oversized_blocks")
    warehouse.run(statement("candidate_pairs"), name="candidate_pairs")
