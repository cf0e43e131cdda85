"""The resolver's state between runs (schema `resolver`), valid as long as the rules stay the same."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import polars as pl

from cdp import tables
from cdp.warehouse import Warehouse
from identity.model import Model
from identity.sql import statement

# Libraries whose results a resolution depends on.
LIBRARIES = ("duckdb", "nicknames", "splink")
STATE = ("features", "contact_points", "components", "super_records", "block_keys", "linked", "unlinks")
EVIDENCE = (
    *(tables.IDENTIFIERS, tables.IDENTIFIER_VALUES, tables.EDGES),
    *(tables.GREY_PAIRS, tables.OVERSIZED_BLOCKS, tables.REFUSALS),
)


def prepare(warehouse: Warehouse, rules: str) -> None:
    """Create the state's tables; empty them and the evidence if the last resolution used other rules."""
    warehouse.run(statement("resolver"), name="resolver")
    if warehouse.scalar("select rules from resolver.basis") == rules:
        return
    for table in (*(f"resolver.{name}" for name in STATE), *(table.full_name for table in EVIDENCE)):
        warehouse.run(f"delete from {table}", name=table)
    adopt(warehouse, rules)


def adopt(warehouse: Warehouse, rules: str) -> None:
    """Record the rules that the state follows from."""
    warehouse.run("delete from resolver.basis")
    warehouse.run("insert into resolver.basis values ($1)", [rules])


def forget(warehouse: Warehouse) -> None:
    """Drop the state, so that the next resolution examines everything."""
    warehouse.run("drop schema if exists resolver cascade", name="resolver")


def rules_digest(model: Model, patterns: pl.DataFrame) -> str:
    """A digest of everything that determines a resolution: model, patterns, libraries, this package."""
    parameters = {**asdict(model), "training": None}
    rules = json.dumps(
        [parameters, patterns.rows(), [version(name) for name in LIBRARIES], _own_source()], sort_keys=True
    )
    return sha256(rules.encode()).hexdigest()


@cache
def _own_source() -> str:
    folder = Path(__file__).parent
    texts = (path.read_text() for kind in ("*.py", "sql/*.sql") for path in sorted(folder.glob(kind)))
    return sha256("".join(texts).encode()).hexdigest()
