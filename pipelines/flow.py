"""A run, from files to a published state. `STAGES` is its table of contents."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import polars as pl

from cdp import tables
from cdp.errors import QualityGateFailed, UsageError
from cdp.policy import Policy, load_policy
from cdp.segments import Catalogue, load_catalogue
from cdp.settings import Settings
from cdp.sources import Source, load_sources
from cdp.sources.columns import describe
from cdp.store import Store, open_store
from cdp.store.inbox import has_unlanded
from cdp.store.profiles import known_segment_changes
from cdp.store.runs import recent_runs, record_run
from cdp.warehouse import (
    Warehouse,
    disk_errors,
    open_working_copy,
    publish,
    published_path,
    run_lock,
)
from identity.model import Model
from identity.patterns import load_patterns
from identity.registry import model_in_use
from identity.resolve import Known
from pipelines import conform, link
from pipelines.land import NOTHING_LANDED, Landing, land
from pipelines.land.discover import discover
from pipelines.land.landed import landed_files
from pipelines.land.recognise import InputFile
from pipelines.preferences import prefer
from pipelines.profiles.golden import build_profiles
from pipelines.profiles.metrics import write_metrics
from pipelines.publish.history import write_history
from pipelines.publish.landing import drop_superseded, expose_landing, move_landing
from pipelines.publish.store import catch_up, update_store
from pipelines.segments.channel_states import describe_channels
from pipelines.segments.memberships import segment


class Progress(Protocol):
    """Who is told how a run gets on."""

    def stage_started(self, name: str) -> None: ...

    def stage_advanced(self, name: str, done: int, total: int) -> None: ...

    def stage_ended(self, name: str, rows: int, seconds: float) -> None: ...

    def guessed(self, path: Path, description: str) -> None: ...


@dataclass
class Run:
    """A run in progress: what it was given, what it works on, and what it has found out so far."""

    run_id: str
    started_at: datetime
    settings: Settings
    inputs: Sequence[InputFile]
    given_as_of: datetime | None
    scratch: Path
    warehouse: Warehouse
    store: Store
    sources: Mapping[str, Source]
    model: Model
    patterns: pl.DataFrame
    catalogue: Catalogue
    policy: Policy
    known: Known
    segment_history: pl.DataFrame
    progress: Progress
    landing: Landing = NOTHING_LANDED
    report: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def as_of(self) -> datetime:
        """The time that the run speaks for: as given, or that of the newest event.

        Never the wall clock: a rebuild from the same landing must give the same rows, and what the logs do not
        cover yet is not silence.
        """
        if self.given_as_of:
            return self.given_as_of
        newest = self.warehouse.scalar("select least(max(occurred_at), $1) from conformed.events", [self.started_at])
        return newest.astimezone(UTC) if newest else self.started_at


def _land(run: Run) -> int:
    """Raw rows of the inputs and of the inbox to Parquet; what is landed already is passed over."""
    run.landing = land(
        run.warehouse,
        run.store,
        run.inputs,
        home=run.settings.home,
        scratch=run.scratch,
        landed_at=run.started_at,
        run_id=run.run_id,
        threads=run.settings.threads,
        advanced=partial(run.progress.stage_advanced, "land"),
    )
    return run.landing.row_count


def _conform(run: Run) -> int:
    """Every new row to an event, an observation, a consent, a duplicate or a reject."""
    run.report["tally"] = _conform_new(run).to_dicts() if run.landing.new else []
    for table in ("events", "observations", "consents"):
        run.report[table] = run.warehouse.count(f"conformed.{table}")
    return sum(row["lines"] for row in run.report["tally"])


def _conform_new(run: Run) -> pl.DataFrame:
    """Lines of the new files by outcome: source, outcome, lines."""
    warehouse = run.warehouse
    conform.take_in(warehouse, run.landing.new, run.sources)
    countries = pl.read_csv(run.settings.reference / "countries.csv", infer_schema=False)
    conform.conform(warehouse, countries, region=run.settings.default_region, today=run.started_at.date())
    conform.count_rejects(warehouse)
    tally = conform.tally(warehouse)
    conform.drop_scratch_tables(warehouse)
    return tally


def _check(run: Run) -> int:
    """The quality gate over what was landed and conformed."""
    return _gate(run, ("landing", "conformed"))


def _link(run: Run) -> int:
    """Which observations are one person."""
    known = link.with_live(run.known, run.store, run.warehouse, run_id=run.run_id)
    resolution = link.link(run.warehouse, known, run.model, run.patterns, run_id=run.run_id)
    run.report["profiles"] = resolution.profiles
    run.report["merges"] = resolution.merges
    run.report["splits"] = resolution.splits
    return run.warehouse.count("identity.edges")


def _profiles(run: Run) -> int:
    """The golden record and what each person has done."""
    build_profiles(run.warehouse, run.settings.source_priority)
    write_metrics(run.warehouse, run.as_of)
    return run.warehouse.count("profiles.profiles")


def _segments(run: Run) -> int:
    """What may be done on which channel, who is in which segment, who entered and who left."""
    describe_channels(run.warehouse, run.store, run.policy.consent, as_of=run.as_of, recorded_at=run.started_at)
    segment(run.warehouse, run.catalogue, run.segment_history, as_of=run.as_of, run_id=run.run_id)
    return run.warehouse.count("segments.memberships")


def _preferences(run: Run) -> int:
    """Which channel serves whom."""
    prefer(run.warehouse, run.as_of, run.policy.scores)
    return run.warehouse.count("segments.channel_preferences")


def _publish(run: Run) -> int:
    """The gate over what was derived; then landing, warehouse and store, in this order."""
    _gate(run, ("identity", "profiles", "segments"))
    warehouse, home = run.warehouse, run.settings.home
    report = _report(run, published=True)
    with run.store.read() as connection:
        history = recent_runs(connection, MAX_HISTORY).filter("published").sort("started_at")["report"]
    write_history(warehouse, [*map(json.loads, history), report])
    count = warehouse.count("profiles.profiles")
    move_landing(run.scratch, home)
    expose_landing(warehouse, home)
    published = publish(warehouse, run.scratch, run.settings)
    try:
        drop_superseded(run.landing.superseded)
        update_store(published, run.store, report, landing=home / "landing", published_at=run.started_at)
    finally:
        published.close()
    return count


@dataclass(frozen=True)
class Stage:
    """A step of a run: reads what earlier stages wrote, writes its own schema, returns the rows it made."""

    name: str
    work: Callable[[Run], int]


STAGES: tuple[Stage, ...] = (
    Stage("land", _land),
    Stage("conform", _conform),
    Stage("check", _check),
    Stage("link", _link),
    Stage("profiles", _profiles),
    Stage("segments", _segments),
    Stage("preferences", _preferences),
    Stage("publish", _publish),
)

# Runs kept in runs.runs: some 13 years of hourly ones.
MAX_HISTORY = 120_000


def run(
    settings: Settings,
    inputs: Sequence[str],
    progress: Progress,
    *,
    now: datetime,
    full: bool = False,
    as_of: datetime | None = None,
) -> dict[str, Any]:
    """Take in `inputs` (files, folders, globs), resolve, derive and publish.

    Args:
        now: the wall clock, UTC.
        full: forget the warehouse and derive everything again, from landing and store.
        as_of: the time to speak for; the newest event's by default.

    Returns:
        The report that `cdp run --json` prints.

    Raises:
        InputRefused, QualityGateFailed, Unavailable, ConfigurationError, IdentityError: nothing was published.
    """
    sources = load_sources()
    files = discover(inputs, sources)
    for file in files:
        if file.guessed and file.mapping:
            progress.guessed(file.path, describe(file.mapping))
    catalogue, policy = load_catalogue(settings.segments), load_policy(settings.policy)
    model, patterns = model_in_use(settings.home), load_patterns(*settings.identifier_value_lists)
    with run_lock(settings.home), _opened_store(settings) as store:
        catch_up(settings, store, now=now)
        if not files and not _has_work(settings, store):
            raise UsageError("there is nothing to run on", hint="Name files, folders or globs, or try `cdp demo`")
        with _scratch(settings.home, now) as (run_id, scratch):
            with store.read() as connection:
                history = known_segment_changes(connection).drop("seq")
            warehouse = open_working_copy(settings, scratch, empty=full)
            this = Run(
                run_id=run_id,
                started_at=now,
                settings=settings,
                inputs=files,
                given_as_of=as_of,
                scratch=scratch,
                warehouse=warehouse,
                store=store,
                sources=sources,
                model=model,
                patterns=patterns,
                catalogue=catalogue,
                policy=policy,
                known=link.remembered(store),
                segment_history=history,
                progress=progress,
            )
            try:
                return _execute(this)
            finally:
                warehouse.close()


def _has_work(settings: Settings, store: Store) -> bool:
    """Whether a run without inputs has anything to derive from."""
    if published_path(settings.home).exists() or landed_files(settings.home / "landing"):
        return True
    with store.read() as connection:
        return has_unlanded(connection)


def _execute(this: Run) -> dict[str, Any]:
    this.warehouse.create_tables(tables.TABLES)
    this.report["stages"] = []
    try:
        for stage in STAGES:
            _timed(this, stage)
    except QualityGateFailed:
        report = _report(this, published=False)
        with this.store.write() as connection:
            record_run(connection, this.run_id, this.started_at, this.started_at, published=False, report=report)
        raise
    return _report(this, published=True)


def _timed(this: Run, stage: Stage) -> None:
    this.progress.stage_started(stage.name)
    begun = monotonic()
    rows = stage.work(this)
    seconds = round(monotonic() - begun, 3)
    this.report["stages"].append({"name": stage.name, "rows": rows, "seconds": seconds})
    this.progress.stage_ended(stage.name, rows, seconds)


def _gate(this: Run, schemas: Sequence[str]) -> int:
    """Check the contracts of the tables of these schemas; returns the number of expectations met."""
    # Great Expectations takes seconds to import; only a run that gets here needs it.
    from cdp.quality import check, gate

    checked = [table for table in tables.TABLES if table.schema in schemas]
    docs = this.settings.home / "reports" / "quality" / "-".join(schemas)
    verdicts = check(this.warehouse, checked, docs, this.run_id)
    this.report.setdefault("quality", []).extend(
        {
            "table": verdict.table,
            "passed": verdict.passed,
            "failed": [asdict(failure) for failure in verdict.failed],
        }
        for verdict in verdicts
    )
    gate(verdicts, docs)
    return sum(verdict.passed for verdict in verdicts)


def _report(this: Run, *, published: bool) -> dict[str, Any]:
    """What `cdp run --json` prints: figures of this run, and of the state after it."""
    lines = dict.fromkeys(conform.OUTCOMES, 0)
    for row in this.report.get("tally", []):
        lines[row["outcome"]] += row["lines"]
    stages = this.report["stages"]
    return {
        "run_id": this.run_id,
        "as_of": this.as_of.isoformat(),
        "started_at": this.started_at.isoformat(),
        "seconds": round(sum(stage["seconds"] for stage in stages), 3),
        "published": published,
        "stages": stages,
        "files": len(this.landing.new),
        "files_known": this.landing.known_count,
        "landed": sum(lines.values()),
        "rejected": lines["reject"],
        "duplicates": lines["duplicate"],
        "lines": lines,
        "tally": this.report.get("tally", []),
        **{key: this.report.get(key, 0) for key in ("events", "observations", "consents")},
        **{key: this.report.get(key, 0) for key in ("profiles", "merges", "splits")},
        "quality": this.report.get("quality", []),
    }


@contextmanager
def _opened_store(settings: Settings) -> Iterator[Store]:
    store = open_store(settings.effective_store_url)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _scratch(home: Path, now: datetime) -> Iterator[tuple[str, Path]]:
    """A run id and its scratch folder. Whatever killed runs left behind is removed."""
    run_id = f"run_{now:%Y%m%dT%H%M%S}_{secrets.token_hex(3)}"
    scratch = home / "work" / run_id
    with disk_errors(home):
        for leftover in (home / "work").glob("run_*"):
            shutil.rmtree(leftover)
        scratch.mkdir(parents=True)
    try:
        yield run_id, scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
