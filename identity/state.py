"""What a resolution leaves behind for the next one (schema `resolver`), as long as the rules stay the same."""

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

# Libraries whose answers a resolution rests on.
LIBRARIES = ("duckdb", "nicknames", "splink")
STATE = ("features", "contact_points", "components", "super_records", "block_keys", "linked", "unlinks")
EVIDENCE = (
    *(tables.IDENTIFIERS, tables.IDENTIFIER_VALUES, tables.EDGES),
    *(tables.GREY_PAIRS, tables.OVERSIZED_BLOCKS, tables.REFUSALS),
)


def prepare(warehouse: Warehouse, rules: str) -> None:
    """Make the state's tables. If the last resolution went by other rules, nothing that it found stands."""
    warehouse.run(statement("resolver"), name="resolver")
    if warehouse.scalar("select rules from resolver.basis") == rules:
        return
    for table in (*(f"resolver.{name}" for name in STATE), *(table.full_name for table in EVIDENCE)):
        warehouse.run(f"delete from {table}", name=table)
    warehouse.run("delete from resolver.basis")
    warehouse.run("insert into resolver.basis values ($1)", [rules])


def forget(warehouse: Warehouse) -> None:
    """Let the next resolution look at everything."""
    warehouse.run("drop schema if exists resolver cascade", name="resolver")


def rules_of(model: Model, patterns: pl.DataFrame) -> str:
    """A digest of all that decides how the same observations are resolved: model, patterns, libraries, this package."""
    parameters = {**asdict(model), "training": None}
    said = json.dumps([parameters, patterns.rows(), [version(name) for name in LIBRARIES], _own_text()], sort_keys=True)
    return sha256(said.encode()).hexdigest()


@cache
def _own_text() -> str:
    folder = Path(__file__).parent
    texts = (path.read_text() for kind in ("*.py", "sql/*.sql") for path in sorted(folder.glob(kind)))
    return sha256("".join(texts).encode()).hexdigest()
