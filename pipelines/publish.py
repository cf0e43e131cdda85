"""Publishing: a run's results become what everybody reads, in an order that a kill at any point leaves sound.

First the landing files move into place, then the warehouse by rename, then the store. Killed after the first,
the next run adopts the files; killed after the second, the next run brings the store up to date.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from glob import escape
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from cdp import tables
from cdp.errors import Unavailable
from cdp.people.published import (
    PublishedChanges,
    apply_publish,
    known_aliases,
    known_identifiers,
    known_junk,
    known_members,
    profile_hashes,
)
from cdp.runs.ledger import last_published_run, record_run
from cdp.segments.history import append_segment_changes
from cdp.settings import Settings
from cdp.store import Connection, Store
from cdp.warehouse import Warehouse, disk_errors, flush, open_published, published_path
from cdp.worker import HOUSEKEEPING, make_runner
from pipelines import inbox
from pipelines.consents import record_consents
from pipelines.land import LandedFile
from pipelines.link import CURRENT_MEMBERS
from pipelines.metrics import document_of_metrics
from pipelines.profiles import core_traits
from pipelines.sql import statement

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

# Documents made and handed over at a time: bounds the memory of a first publish.
DOCUMENTS_AT_A_TIME = 20_000


def write_history(warehouse: Warehouse, reports: Sequence[Mapping[str, Any]]) -> None:
    """Write runs.* and quality.results from the reports of all published runs."""
    runs = [
        (report["run_id"], _time(report["as_of"]), _time(report["started_at"]), json.dumps(report))
        for report in reports
    ]
    stages = [
        (report["run_id"], stage["name"], stage["rows"], stage["seconds"])
        for report in reports
        for stage in report["stages"]
    ]
    verdicts = [
        (report["run_id"], verdict["table"], verdict["passed"], json.dumps(verdict["failed"]))
        for report in reports
        for verdict in report["quality"]
    ]
    for table, rows in ((tables.RUNS, runs), (tables.STAGE_ROWS, stages), (tables.QUALITY_RESULTS, verdicts)):
        warehouse.replace_rows(table, pl.DataFrame(rows, schema=table.polars_schema(), orient="row"))


def move_landing(scratch: Path, home: Path) -> None:
    """Put this run's landed files beside the others."""
    with disk_errors(home):
        for parquet in sorted(scratch.glob("landing/source=*/*.parquet")):
            target = home / parquet.relative_to(scratch)
            target.parent.mkdir(parents=True, exist_ok=True)
            flush(parquet)
            parquet.replace(target)


def drop_superseded(landed: Iterable[LandedFile]) -> None:
    """Remove landed files that were landed again under a changed mapping: nothing refers to them any more."""
    for file in landed:
        file.parquet.unlink(missing_ok=True)


def expose_landing(warehouse: Warehouse, home: Path) -> None:
    """Make the view landing.records over the landed files where they will stand."""
    folder = escape(str((home / "landing").resolve())).replace("'", "''")
    pattern = f"{folder}/source=*/*.parquet"
    warehouse.run(
        "create or replace view landing.records as "
        "select file_id, line_number, cast(source as varchar) as source, "
        "case when reject_reason is null then payload::json else to_json(payload) end as payload, payload_hash "
        f"from read_parquet('{pattern}', hive_partitioning = true)",
        name="landing.records",
    )


def catch_up(settings: Settings, store: Store, *, now: datetime) -> None:
    """Bring the store to the published warehouse if a run was killed between the two."""
    if not published_path(settings.home).exists():
        return
    warehouse = open_published(settings)
    try:
        newest = warehouse.query("select report from runs.runs order by started_at desc limit 1")
        report = json.loads(newest["report"][0])
        with store.read() as connection:
            last = last_published_run(connection)
        # Run ids sort by age. An older warehouse put back from a backup is no reason to put the store back too.
        if last is None or last.run_id < report["run_id"]:
            update_store(warehouse, store, report, landing=settings.home / "landing", published_at=now)
    finally:
        warehouse.close()


def update_store(
    warehouse: Warehouse, store: Store, report: Mapping[str, Any], *, landing: Path, published_at: datetime
) -> None:
    """Bring the store to what the warehouse says, writing only what differs, and record the run.

    What came in live and is in this warehouse is said by it from now on; what came in since stays as it is.
    """
    record_consents(warehouse, store, published_at)
    run_id = report["run_id"]
    warehouse.run(CURRENT_MEMBERS, name="people")
    with store.read() as connection:
        gone = _write_changed_documents(warehouse, profile_hashes(connection))
        changes = _changes(warehouse, connection, run_id, published_at)
    absorbed = inbox.landed_unnoted(warehouse, store, landing)
    with store.write() as connection:
        for documents in _slices(warehouse, "changed_documents"):
            apply_publish(connection, PublishedChanges(published_at, profiles_upsert=documents))
        apply_publish(connection, PublishedChanges(published_at, profiles_delete=gone, **changes))
        append_segment_changes(connection, _of_run(warehouse, "segments.changes", run_id))
        record_run(
            connection,
            run_id,
            _time(report["as_of"]),
            _time(report["started_at"]),
            published=True,
            report=report,
        )
        inbox.let_go(connection, absorbed, run_id)


def keep_house(store: Store, now: datetime) -> None:
    """Do the store's housekeeping that is due, for those who start no worker.

    The run is published by now: housekeeping that cannot be done waits for a worker, or for the next run.
    """
    try:
        make_runner(store, lambda: now, _log, HOUSEKEEPING).drain()
    except Unavailable as error:
        _log.warning("housekeeping put off", error=error.line())


def _write_changed_documents(warehouse: Warehouse, known: pl.DataFrame) -> pl.DataFrame:
    """Write the temporary table `changed_documents` (profile_id, document, document_hash): those that the store lacks
    or holds otherwise. Returns the profile_id of those that it holds in vain."""
    warehouse.run(
        "create or replace temp table changed_documents (profile_id varchar, document varchar, document_hash varchar)"
    )
    warehouse.run(f"create or replace temp macro metrics_json(m) as {document_of_metrics()}", name="metrics_json")
    profile_ids = warehouse.query("select profile_id from profiles.profiles order by profile_id")
    for wanted in profile_ids.iter_slices(DOCUMENTS_AT_A_TIME):
        here = known.join(wanted, on="profile_id", how="semi")
        with (
            warehouse.frame("wanted", wanted),
            warehouse.frame("known_hashes", here),
            warehouse.frame("core_traits", core_traits()),
        ):
            warehouse.run(
                f"insert into changed_documents from ({statement('documents')}) "
                "anti join known_hashes using (profile_id, document_hash)",
                name="documents",
            )
    return known.select("profile_id").join(profile_ids, on="profile_id", how="anti")


def _slices(warehouse: Warehouse, table: str) -> Iterator[pl.DataFrame]:
    for offset in range(0, warehouse.count(table), DOCUMENTS_AT_A_TIME):
        yield warehouse.query(
            f"select * from {table} where rowid between $1 and $2", [offset, offset + DOCUMENTS_AT_A_TIME - 1]
        )


def _changes(
    warehouse: Warehouse, connection: Connection, run_id: str, published_at: datetime
) -> dict[str, pl.DataFrame]:
    """What else differs between warehouse and store: identifiers, members, aliases and this run's history."""
    warehouse.run(
        "create or replace temp view served_identifiers as select distinct i.type, i.value, p.profile_id "
        "from identity.identifiers i join people p using (observation_id) "
        "join identity.identifier_values v on v.type = i.type and v.value = i.value where v.quality <> 'junk'"
    )
    identifiers_gone, identifiers_new = _differing(
        warehouse, "served_identifiers", known_identifiers(connection), ["type", "value", "profile_id"]
    )
    warehouse.run(
        "create or replace temp view served_members as select observation_id, profile_id, valid_from_run as run_id "
        "from identity.members where valid_to_run is null"
    )
    members_gone, members_new = _differing(
        warehouse, "served_members", known_members(connection), ["observation_id", "profile_id", "run_id"]
    )
    warehouse.run(
        "create or replace temp view junk_identifiers as select type, value from identity.identifier_values "
        "group by type, value having bool_and(quality = 'junk')"
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


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
