"""Small tables of observations for the resolver's tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any

import polars as pl

from cdp import tables
from cdp.warehouse import Warehouse, open_memory
from identity.model import Model, load_model
from identity.resolve import NOTHING_KNOWN, Known, resolve

DATA = Path(__file__).resolve().parents[2] / "data"
PATTERNS = pl.read_csv(DATA / "reference" / "identifier_values.csv")
SHIPPED_MODEL = load_model()
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "run_20260101T000000_000000"


def observation_id(name: str) -> str:
    return md5(name.encode()).hexdigest()


def warehouse_of(people: Mapping[str, Mapping[str, Any]]) -> Warehouse:
    """An in-memory warehouse with these observations, keyed by the names that the test uses."""
    warehouse = open_memory()
    warehouse.create_tables(tables.TABLES)
    add_observations(warehouse, people)
    return warehouse


def add_observations(
    warehouse: Warehouse,
    people: Mapping[str, Mapping[str, Any]],
    run_id: str = RUN,
    *,
    landed_at: datetime = JANUARY,
) -> None:
    file_id = md5(run_id.encode()).hexdigest()[:16]
    file = {"file_id": file_id, "run_id": run_id, "landed_at": landed_at}
    warehouse.append_rows(tables.FILES, pl.DataFrame([file]))
    rows = [_row(name, file_id, values) for name, values in people.items()]
    warehouse.append_rows(tables.OBSERVATIONS, pl.DataFrame(rows, schema=tables.OBSERVATIONS.polars_schema()))


def _row(name: str, file_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": "crm",
        "first_seen_at": JANUARY,
        "last_seen_at": JANUARY,
        "event_count": 1,
        "is_verified": False,
        "is_claim": False,
        "file_id": file_id,
        "line_number": 1,
        **values,
        "observation_id": observation_id(name),
    }


def resolved(
    warehouse: Warehouse,
    names: Iterable[str],
    known: Known = NOTHING_KNOWN,
    run_id: str = RUN,
    *,
    model: Model = SHIPPED_MODEL,
) -> dict[str, str]:
    """Resolve, and return the profile id of each observation by name."""
    resolve(warehouse, known, model, PATTERNS, run_id=run_id)
    members = warehouse.query("select observation_id, profile_id from identity.members where valid_to_run is null")
    by_id = dict(members.iter_rows())
    return {name: by_id[observation_id(name)] for name in names}


def known_after(warehouse: Warehouse) -> Known:
    """What a store would know after this resolution."""
    return Known(
        members=warehouse.query(
            "select observation_id, profile_id, valid_from_run as run_id from identity.members "
            "where valid_to_run is null"
        ),
        former_members=warehouse.query(
            "select observation_id, profile_id, valid_from_run as from_run_id, valid_to_run as run_id "
            "from identity.members where valid_to_run is not null"
        ),
        aliases=warehouse.query("select old_profile_id, profile_id from identity.aliases"),
        changes=warehouse.query("select * from identity.profile_changes"),
        links=NOTHING_KNOWN.links,
        unlinks=NOTHING_KNOWN.unlinks,
    )


def hold_resolution(
    warehouse: Warehouse, members: Mapping[str, str], edges: pl.DataFrame, refused: Iterable[tuple[str, ...]]
) -> None:
    """Let the warehouse hold what a resolution might have made.

    Args:
        members: profile by observation.
        edges: left_id, right_id, kind, rule, probability, weight, evidence (a text, not yet JSON).
        refused: left_id, right_id, rule.
    """
    places = [(observation, profile, RUN) for observation, profile in members.items()]
    refusals = [(*edge, 0.99, "given_name", RUN) for edge in refused]
    warehouse.replace_rows(
        tables.MEMBERS,
        pl.DataFrame(places, schema=["observation_id", "profile_id", "valid_from_run"], orient="row"),
    )
    warehouse.replace_rows(tables.EDGES, edges.with_columns(evidence=pl.format('"{}"', "evidence")))
    warehouse.replace_rows(
        tables.REFUSALS, pl.DataFrame(refusals, schema=tables.REFUSALS.polars_schema(), orient="row")
    )


def groups(profiles: Mapping[str, str]) -> set[frozenset[str]]:
    """The names that share a profile."""
    found: dict[str, set[str]] = {}
    for name, profile_id in profiles.items():
        found.setdefault(profile_id, set()).add(name)
    return {frozenset(names) for names in found.values()}
