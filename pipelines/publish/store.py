"""Bring the store up to date with the published warehouse, writing only differences."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from cdp.people.holding import publishing
from cdp.people.published import (
    PublishedChanges,
    apply_publish,
    known_aliases,
    known_identifiers,
    known_junk,
    known_members,
    profile_hashes,
)
from cdp.products.published import drop_products, known_products, put_products
from cdp.runs.ledger import last_published_run, record_run
from cdp.runs.report import RunReport
from cdp.segments.history import append_segment_changes
from cdp.settings import Settings
from cdp.store import Connection, Store
from cdp.warehouse import Warehouse, open_published, published_path
from pipelines.land import inbox
from pipelines.publish.consents import record_consents
from pipelines.publish.documents import DOCUMENTS_AT_A_TIME, slices, write_changed_documents
from pipelines.publish.messages import tell_messages
from pipelines.statements import statement


def catch_up(settings: Settings, store: Store, *, now: datetime) -> None:
    """Bring the store up to date with the published warehouse, if a run was killed between publishing the two."""
    if not published_path(settings.home).exists():
        return
    warehouse = open_published(settings)
    try:
        newest = warehouse.query("select report from runs.runs order by started_at desc limit 1")
        report = RunReport.model_validate_json(newest["report"][0])
        with store.read() as connection:
            last = last_published_run(connection)
        # Run ids sort by age. An older warehouse restored from a backup does not roll the store back.
        if last is None or last.run_id < report.run_id:
            update_store(warehouse, store, report, landing=settings.home / "landing", published_at=now)
    finally:
        warehouse.close()


def update_store(
    warehouse: Warehouse, store: Store, report: RunReport, *, landing: Path, published_at: datetime
) -> None:
    """Bring the store up to date with the warehouse, writing only differences, and record the run.

    Live data that is in this warehouse is dropped from the live layer; later live data stays.
    """
    record_consents(warehouse, store, published_at)
    run_id = report.run_id
    warehouse.run(statement("link/people"), name="people")
    tell_messages(warehouse, store, run_id, published_at)
    with store.read() as connection:
        gone = write_changed_documents(warehouse, profile_hashes(connection))
        changes = _changes(warehouse, connection, run_id, published_at)
        products_gone, products_new = _product_changes(warehouse, connection)
    absorbed = inbox.landed_unnoted(warehouse, store, landing)
    with publishing(store) as connection:
        for documents in slices(warehouse, "changed_documents"):
            apply_publish(connection, PublishedChanges(published_at, profiles_upsert=documents))
        apply_publish(connection, PublishedChanges(published_at, profiles_delete=gone, **changes))
        drop_products(connection, products_gone)
        for keys in products_new.iter_slices(DOCUMENTS_AT_A_TIME):
            put_products(connection, _products(warehouse, keys))
        append_segment_changes(connection, _of_run(warehouse, "segments.changes", run_id))
        record_run(connection, run_id, report.as_of, report.started_at, published=True, report=report.document())
        inbox.let_go(connection, absorbed, run_id)


def _changes(
    warehouse: Warehouse, connection: Connection, run_id: str, published_at: datetime
) -> dict[str, pl.DataFrame]:
    """The other differences between warehouse and store: identifiers, members, aliases and this run's history."""
    for name in ("served_identifiers", "served_members", "junk_identifiers"):
        warehouse.run(statement(f"publish/{name}"), name=name)
    identifiers_gone, identifiers_new = _differing(
        warehouse, "served_identifiers", known_identifiers(connection), ["type", "value", "profile_id"]
    )
    members_gone, members_new = _differing(
        warehouse, "served_members", known_members(connection), ["observation_id", "profile_id", "run_id"]
    )
    junk_gone, junk_new = _differing(warehouse, "junk_identifiers", known_junk(connection), ["type", "value"])
    known = known_aliases(connection).select("old_profile_id", "profile_id")
    aliases_gone, aliases_new = _differing(warehouse, "identity.aliases", known, ["old_profile_id", "profile_id"])
    return {
        "identifiers_insert": identifiers_new,
        "identifiers_delete": identifiers_gone,
        "junk_insert": junk_new,
        "junk_delete": junk_gone,
        "members_upsert": members_new,
        "members_delete": members_gone.join(members_new, on="observation_id", how="anti").select("observation_id"),
        "former_members_insert": warehouse.query(
            "select observation_id, profile_id, valid_from_run as from_run_id, valid_to_run as run_id "
            "from identity.members where valid_to_run = $1",
            [run_id],
        ),
        "aliases_upsert": aliases_new.with_columns(run_id=pl.lit(run_id)),
        "aliases_delete": aliases_gone.join(aliases_new, on="old_profile_id", how="anti").select("old_profile_id"),
        "profile_changes_insert": _of_run(warehouse, "identity.profile_changes", run_id),
    }


def _product_changes(warehouse: Warehouse, connection: Connection) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The keys of products that are gone, and of those that the store lacks or has in another version."""
    warehouse.run(statement("publish/served_products"), name="served_products")
    columns = ["key", "product_id", "document_hash", "season_rank"]
    gone, new = _differing(warehouse, "served_products", known_products(connection), columns)
    return gone.join(new, on="key", how="anti").select("key"), new.select("key")


def _products(warehouse: Warehouse, keys: pl.DataFrame) -> pl.DataFrame:
    with warehouse.frame("wanted_products", keys):
        return warehouse.query("select * from served_products semi join wanted_products using (key)")


def _of_run(warehouse: Warehouse, table: str, run_id: str) -> pl.DataFrame:
    return warehouse.query(f"select * from {table} where run_id = $1", [run_id])


def _differing(
    warehouse: Warehouse, relation: str, known: pl.DataFrame, columns: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(rows of `known` that `relation` lacks, rows of `relation` that `known` lacks)."""
    names = ", ".join(columns)
    with warehouse.frame("known_rows", known):
        gone = warehouse.query(f"select {names} from known_rows except select {names} from {relation}")
        new = warehouse.query(f"select {names} from {relation} except select {names} from known_rows")
    return gone, new
