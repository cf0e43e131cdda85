"""Conforming: raw rows of every source become events, observations, consents, duplicates or rejects.

Each item of each line has exactly one of these outcomes or more; none has none. The SQL of each produced
table is in `sql/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby

import polars as pl

from cdp import tables
from cdp.contract import Table
from cdp.normalise import normalise_descriptions
from cdp.sources import MAPPED, Source
from cdp.sources.columns import select_for
from cdp.warehouse import Warehouse
from pipelines.land import LandedFile
from pipelines.sql import statement

# One outcome a line: where its items had several, the first of these.
OUTCOMES = ("reject", "event", "observation", "consent", "duplicate")

DESCRIPTION = tuple(column.name for column in tables.PERSON_COLUMNS)


def take_in(warehouse: Warehouse, landed: Sequence[LandedFile], sources: Mapping[str, Source]) -> None:
    """Map the rows of newly landed files into the temporary table `mapped`."""
    warehouse.run(f"create or replace temp table mapped ({_columns_of(MAPPED)})", name="mapped")
    warehouse.run(
        statement("landed_rows").replace("$parquet", _sql_list([str(f.parquet) for f in landed])),
        name="landed_rows",
    )
    by_mapping = groupby(sorted(landed, key=_reader_of), key=_reader_of)
    for _, group in by_mapping:
        files = list(group)
        source = sources[files[0].format]
        select = select_for(files[0].mapping) if files[0].mapping else source.select
        _map_rows(warehouse, files, select, source.lists)


def conform(warehouse: Warehouse, countries: pl.DataFrame, *, region: str, today: date) -> None:
    """Turn `mapped` into conformed rows.

    Args:
        countries: the reference table of countries.
        region: country of phone numbers without prefix.
        today: the day after which a birthday is implausible.
    """
    for name in ("keyed", "descriptions"):
        warehouse.run(statement(name), name=name)
    _describe(warehouse, countries, region=region, today=today)
    for name in ("items", "outcomes"):
        warehouse.run(statement(name), name=name)
    for table in (tables.OBSERVATIONS, tables.EVENTS, tables.CONSENTS, tables.DUPLICATES, tables.REJECTS):
        warehouse.run(statement(table.name), name=table.full_name)


def count_rejects(warehouse: Warehouse) -> None:
    """Write each landed file's number of refused rows."""
    warehouse.run(statement("files"), name="landing.files")


def tally(warehouse: Warehouse) -> pl.DataFrame:
    """Lines of this run by outcome: frame of source, outcome, lines. The lines add up to those landed."""
    return warehouse.query(statement("tally"))


def drop_scratch_tables(warehouse: Warehouse) -> None:
    """Free what conforming needed: it is as large as the input."""
    for name in ("outcomes", "items", "described", "descriptions"):
        warehouse.run(f"drop table {name}")
    warehouse.run("drop view keyed")
    warehouse.run("drop table mapped")


def _reader_of(landed: LandedFile) -> tuple[str, str, str]:
    mapping = landed.mapping.model_dump_json() if landed.mapping else ""
    return landed.format, landed.source, mapping


def _columns_of(table: Table) -> str:
    return ", ".join(f"{column.name} {column.type.sql}" for column in table.columns)


def _map_rows(warehouse: Warehouse, files: list[LandedFile], select: str, lists: Sequence[str]) -> None:
    landed = pl.DataFrame({"file_id": [f.file_id for f in files], "landed_at": [f.landed_at for f in files]})
    parquet = [str(f.parquet) for f in files]
    with warehouse.frame("landed_now", landed):
        raw = statement("raw").replace("$parquet", _sql_list(parquet)).replace("$lists", _wrapped_lists(lists))
        warehouse.run(raw, name=f"raw rows of {files[0].source}")
        source = files[0].source.replace("'", "''")
        warehouse.run(
            f"insert into mapped by name select * replace ('{source}' as source) from "
            f"(select null::varchar as source, * from ({select}))",
            name=f"mapping of {files[0].format}",
        )
        warehouse.run(statement("unmapped"), [files[0].source], name=f"unmapped rows of {files[0].source}")
    warehouse.run("drop view raw")


def _wrapped_lists(keys: Sequence[str]) -> str:
    """WHEN branches: the path of the list that a payload wraps. Few do: a search for the key spares the parsing."""
    return " ".join(
        f"""when contains(r.payload, '"{key}"') and json_type(r.payload, '$.{key}') = 'ARRAY' then '$.{key}'"""
        for key in keys
    )


def _sql_list(values: list[str]) -> str:
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"[{quoted}]"


def _describe(warehouse: Warehouse, countries: pl.DataFrame, *, region: str, today: date) -> None:
    """Write the temporary table `described`: the descriptions, cleaned, each with its observation id."""
    columns = ", ".join(name for name in DESCRIPTION if name != "external_ids")
    raw = warehouse.query(f"select rowid as description, {columns} from descriptions")
    cleaned = normalise_descriptions(raw, countries, default_region=region, today=today)
    with warehouse.frame("cleaned", cleaned):
        warehouse.run(statement("described"), name="described")
