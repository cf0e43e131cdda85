"""Conforming: raw rows of every source become events, observations, consents, duplicates or rejects.

Every item of every line has at least one of these outcomes. The code that turns raw rows into items is shared with the
live path (`cdp/conform/`); the SQL of each produced table is in `sql/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path

import polars as pl

from cdp import conform as conforming
from cdp import tables
from cdp.normalise import read_countries
from cdp.runs.report import OutcomeCount
from cdp.sources import Source
from cdp.sources.columns import select_for
from cdp.warehouse import Warehouse
from pipelines.land.landed import LandedFile
from pipelines.statements import statement


@dataclass(frozen=True)
class Conformed:
    """The outcomes of the lines of a run, and the resulting numbers of rows."""

    tally: tuple[OutcomeCount, ...]
    events: int
    observations: int
    consents: int

    @property
    def line_count(self) -> int:
        """The number of lines that the run conformed."""
        return sum(count.lines for count in self.tally)


NOTHING_CONFORMED = Conformed((), 0, 0, 0)


def conform(
    warehouse: Warehouse,
    landed: Sequence[LandedFile],
    sources: Mapping[str, Source],
    reference: Path,
    *,
    region: str,
    today: date,
) -> Conformed:
    """Turn the rows of newly landed files into events, observations, consents, duplicates and rejects.

    Args:
        reference: the folder of the reference tables.
        region: the country of phone numbers without a country code.
        today: a date of birth after this day is implausible.
    """
    tally: tuple[OutcomeCount, ...] = ()
    if landed:
        countries = read_countries(reference)
        lines = conform_files(warehouse, landed, sources, countries, region=region, today=today)
        tally = tuple(OutcomeCount(**row) for row in lines.iter_rows(named=True))
    return Conformed(
        tally,
        events=warehouse.count(tables.EVENTS.full_name),
        observations=warehouse.count(tables.OBSERVATIONS.full_name),
        consents=warehouse.count(tables.CONSENTS.full_name),
    )


def conform_files(
    warehouse: Warehouse,
    landed: Sequence[LandedFile],
    sources: Mapping[str, Source],
    countries: pl.DataFrame,
    *,
    region: str,
    today: date,
) -> pl.DataFrame:
    """Conform the rows of these files. Returns source, outcome, lines (their number); the lines add up to those
    landed."""
    _map(warehouse, landed, sources)
    _write_conformed(warehouse, countries, region=region, today=today)
    warehouse.run(statement("conform/files"), name="landing.files")
    tally = warehouse.query(statement("conform/tally"))
    _drop_scratch_tables(warehouse)
    return tally


def _map(warehouse: Warehouse, landed: Sequence[LandedFile], sources: Mapping[str, Source]) -> None:
    """Map the rows of newly landed files into the temporary table `mapped`."""
    warehouse.run(conforming.create_mapped(), name="mapped")
    warehouse.run(
        statement("conform/landed_rows").replace("$parquet", _sql_list([str(f.parquet) for f in landed])),
        name="landed_rows",
    )
    by_mapping = groupby(sorted(landed, key=_reader_of), key=_reader_of)
    for _, group in by_mapping:
        files = list(group)
        source = sources[files[0].format]
        select = select_for(files[0].mapping) if files[0].mapping else source.select
        _map_rows(warehouse, files, select, source.lists)


def _write_conformed(warehouse: Warehouse, countries: pl.DataFrame, *, region: str, today: date) -> None:
    """Turn the rows of `mapped` into conformed rows."""
    warehouse.run(f"create or replace temp view keyed as {conforming.statement('keyed')}", name="keyed")
    _make(warehouse, "descriptions")
    _describe(warehouse, countries, region=region, today=today)
    _make(warehouse, "items")
    warehouse.run(statement("conform/outcomes"), name="outcomes")
    written = (tables.OBSERVATIONS, tables.EVENTS, tables.EVENT_PRODUCTS, tables.CONSENTS, tables.DUPLICATES)
    for table in (*written, tables.REJECTS):
        warehouse.run(statement(f"conform/{table.name}"), name=table.full_name)


def _drop_scratch_tables(warehouse: Warehouse) -> None:
    """Drop the temporary relations of conforming: they are as large as the input."""
    for name in ("outcomes", "items", "described", "descriptions", "timezones"):
        warehouse.run(f"drop table {name}")
    warehouse.run("drop view keyed")
    warehouse.run("drop table mapped")


def _reader_of(landed: LandedFile) -> tuple[str, str, str, bool]:
    mapping = landed.mapping.model_dump_json() if landed.mapping else ""
    return landed.format, landed.source, mapping, landed.is_inbox


def _map_rows(warehouse: Warehouse, files: list[LandedFile], select: str, lists: Sequence[str]) -> None:
    read = pl.DataFrame({"file_id": [f.file_id for f in files], "landed_at": [f.landed_at for f in files]})
    parquet = _sql_list([str(f.parquet) for f in files])
    source = files[0].source
    with warehouse.frame("landed_now", read):
        landed = statement("conform/landed").replace("$parquet", parquet)
        warehouse.run(landed.replace("$received_at", _received_at(files[0])), name=f"landed rows of {source}")
        for view, select_of_view in (
            ("every_item", conforming.every_item(lists)),
            ("raw", conforming.statement("raw")),
        ):
            warehouse.run(f"create or replace temp view {view} as {select_of_view}", name=f"{view} of {source}")
        warehouse.run(conforming.insert_mapped(source, select), name=f"mapping of {files[0].format}")
        warehouse.run(
            f"insert into mapped by name {conforming.too_deep()}", [source], name=f"too deep items of {source}"
        )
        warehouse.run(conforming.insert_unmapped(), [source], name=f"unmapped rows of {source}")
    warehouse.run("drop view raw")
    warehouse.run("drop view every_item")
    warehouse.run("drop view landed")


def _received_at(landed: LandedFile) -> str:
    """A file is received when it lands; each payload of the inbox has its own time of receipt."""
    return "r.received_at" if landed.is_inbox else "l.landed_at"


def _sql_list(values: list[str]) -> str:
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"[{quoted}]"


def _describe(warehouse: Warehouse, countries: pl.DataFrame, *, region: str, today: date) -> None:
    """Write the temporary table `described`: the cleaned descriptions, each with its observation id."""
    raw = warehouse.query(conforming.RAW_DESCRIPTIONS)
    cleaned = conforming.clean(raw, countries, region=region, today=today)
    warehouse.run(conforming.TIMEZONES, name="timezones")
    with warehouse.frame("cleaned", conforming.with_all_columns(cleaned)):
        _make(warehouse, "described")


def _make(warehouse: Warehouse, name: str) -> None:
    warehouse.run(f"create or replace temp table {name} as {conforming.statement(name)}", name=name)
