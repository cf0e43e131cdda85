"""Small inputs, and what a run makes of them, for the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from cdp import tables
from cdp.normalise import read_countries
from cdp.providers import load_sources
from cdp.runs.ledger import recent_runs
from cdp.settings import DATA, Settings
from cdp.store import open_store
from cdp.warehouse import Warehouse, open_memory, open_published
from pipelines import conform, flow
from pipelines.land import inputs as input_files
from pipelines.land.landed import LandedFile, landed_files, list_files
from pipelines.land.recognise import recognise

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOURCES = load_sources()
COUNTRIES = read_countries(DATA / "reference")


def sendgrid(event: str, email: str | None = "ann@shop.example", **more: Any) -> dict[str, Any]:
    """A SendGrid event; its id says what it is unless one is given."""
    moment = more.pop("at", NOW - timedelta(days=1))
    key = more.pop("key", f"{event}-{email}-{moment.timestamp()}")
    made = {"event": event, "timestamp": int(moment.timestamp()), "sg_event_id": key, "sg_message_id": "m1", **more}
    return made if email is None else {**made, "email": email}


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    """JSON lines; a text goes in as it stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


CONTACTS_MAPPING = """\
source: crm
kind: contacts
files: people*.csv
columns: {customer_id: id, first_name: first, last_name: last, email: email, phone: phone, updated_at: updated}
consents:
  - {channel: email, column: opt_in, granted: ["yes"], denied: ["no"]}
"""
CONTACTS = """\
id,first,last,email,phone,updated,opt_in
1,Ann,Archer,ann@shop.example,+12025550101,2026-11-01T10:00:00Z,yes
2,Ben,Baker,ben@shop.example,,2026-11-02T10:00:00Z,no
3,Cat,Cole,,+12025550103,2026-11-03T10:00:00Z,
"""


def write_contacts(folder: Path, content: str = CONTACTS, mapping: str = CONTACTS_MAPPING) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "crm.mapping.yaml").write_text(mapping)
    (folder / "people.csv").write_text(content)
    return folder / "people.csv"


def land_file(warehouse: Warehouse, path: Path, folder: Path, *, at: datetime = NOW, run: int = 1) -> LandedFile:
    """Land a file below `folder` as a run would."""
    input_file = recognise(path, SOURCES)
    parquet = input_files.land_file(
        warehouse,
        input_file,
        input_files.digest(path),
        folder=folder,
        landed_at=at,
        run_id=f"run_20261120T120000_{run:06x}",
    )
    return next(file for file in landed_files(folder) if file.parquet == parquet)


def new_warehouse() -> Warehouse:
    warehouse = open_memory()
    warehouse.create_tables(tables.TABLES)
    return warehouse


def conform_files(warehouse: Warehouse, files: Sequence[LandedFile]) -> pl.DataFrame:
    """Conform landed files into `warehouse`; returns the tally."""
    list_files(warehouse, files)
    return conform.conform_files(warehouse, files, SOURCES, COUNTRIES, region="US", today=NOW.date())


@dataclass
class Told:
    """What a run tells whoever watches it."""

    stages: list[str] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    untrained: int = 0
    guesses: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)

    def stage_started(self, name: str) -> None:
        self.stages.append(name)

    def stage_advanced(self, name: str, done: int, total: int) -> None: ...

    def stage_ended(self, name: str, rows: int, seconds: float) -> None: ...

    def guessed(self, path: Path, description: str) -> None:
        self.guesses.append(path.name)

    def rebuilding(self, reason: str) -> None:
        self.rebuilt.append(reason)

    def training(self, reason: str) -> None:
        self.trained.append(reason)

    def not_trained(self) -> None:
        self.untrained += 1


def settings_in(folder: Path, **more: Any) -> Settings:
    return Settings(home=folder / "home", threads=2, memory_limit="1GB", **more)


def run(settings: Settings, *inputs: Path, now: datetime = NOW, **more: Any) -> dict[str, Any]:
    return flow.run(settings, [str(path) for path in inputs], Told(), now=now, **more).document()


def published(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query on the published warehouse."""
    warehouse = open_published(settings)
    try:
        return warehouse.query(query).rows()
    finally:
        warehouse.close()


# What a run says of itself differs from run to run.
OF_RUNS = ("runs", "quality")


def published_tables(settings: Settings) -> Mapping[str, list[tuple[Any, ...]]]:
    """Every table's rows, those about runs left out, in an order of their own."""
    warehouse = open_published(settings)
    try:
        return {
            table.full_name: sorted(warehouse.query(f"select * from {table.full_name}").rows(), key=repr)
            for table in tables.TABLES
            if table.schema not in OF_RUNS
        }
    finally:
        warehouse.close()


def stored_tables(settings: Settings) -> Mapping[str, list[tuple[Any, ...]]]:
    """The store's rows of what a publish writes, without when."""
    queries = {
        "profiles": "select profile_id, document_hash, document from profiles",
        "identifiers": "select type, value, profile_id from identifiers",
        "members": "select observation_id, profile_id from members",
        "aliases": "select old_profile_id, profile_id from aliases",
        "products": "select key, product_id, document, season_rank from products",
    }
    store = open_store(settings.effective_store_url)
    try:
        with store.read() as connection:
            return {
                name: sorted(tuple(row) for row in connection.exec_driver_sql(query)) for name, query in queries.items()
            }
    finally:
        store.close()


def recorded_runs(settings: Settings) -> list[dict[str, Any]]:
    """Reports of the runs in the store, newest first."""
    store = open_store(settings.effective_store_url)
    try:
        with store.read() as connection:
            return [json.loads(report) for report in recent_runs(connection, 100)["report"]]
    finally:
        store.close()
