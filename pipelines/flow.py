"""A run, from input files to a published state. `STAGES` lists its steps."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic

from cdp import tables
from cdp.errors import QualityGateFailed, UsageError
from cdp.live.inbox import has_unlanded
from cdp.runs.ledger import record_run
from cdp.runs.report import RunReport, StageReport
from cdp.settings import Settings
from cdp.sources.columns import describe
from cdp.store import Store, open_store
from cdp.warehouse import Warehouse, disk_errors, open_working_copy, published_path, run_lock
from identity.registry import keep_model, use_model
from identity.training_report import report as training_report
from pipelines.check import check
from pipelines.conform import conform
from pipelines.land import land
from pipelines.land.discover import discover
from pipelines.land.landed import landed_files
from pipelines.link import link, match, train
from pipelines.preferences import prefer
from pipelines.products import describe_products
from pipelines.profiles import describe_people
from pipelines.publish import publish
from pipelines.publish.store import catch_up
from pipelines.run import Progress, Rules, Run
from pipelines.segments import describe_segments


def _land(run: Run) -> int:
    """Write raw rows of the inputs and the inbox to Parquet, skipping those already landed."""
    run.found.landing = land(
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
    return run.found.landing.row_count


def _conform(run: Run) -> int:
    """Turn every new row into an event, an observation, a consent, a duplicate or a reject."""
    run.found.conformed = conform(
        run.warehouse,
        run.found.landing.new,
        run.rules.sources,
        run.settings.reference,
        region=run.settings.default_region,
        today=run.started_at.date(),
    )
    return run.found.conformed.line_count


def _check(run: Run) -> int:
    """Apply the quality gate to the landed and conformed tables."""
    return _gate(run, ("landing", "conformed"))


def _match(run: Run) -> int:
    """Find the pairs of observations that may be one person."""
    rules = run.rules
    found = match(run.warehouse, rules.model, rules.patterns, is_pinned=run.settings.model is not None)
    run.found.matching = found
    return found.pairs


def _train(run: Run) -> int:
    """Train a model on these data, if the one in use was not made for them. Returns the pairs learnt from."""
    reason = run.found.matching.training_reason
    if reason is None:
        return 0
    run.progress.training(reason)
    run.found.trained = train(run.warehouse, run.rules.model, run.rules.patterns)
    if run.found.trained == run.rules.model:
        run.progress.not_trained()
    return run.found.matching.pairs


def _link(run: Run) -> int:
    """Decide which observations belong to the same person."""
    run.found.resolution = link(run.warehouse, run.store, run.model, run_id=run.run_id)
    return run.warehouse.count("identity.edges")


def _profiles(run: Run) -> int:
    """Build the golden records and metrics."""
    return describe_people(run.warehouse, run.settings.source_priority, as_of=run.as_of)


def _products(run: Run) -> int:
    """Build the catalogue of products, what goes with what, and each person's interests."""
    return describe_products(run.warehouse, as_of=run.as_of)


def _segments(run: Run) -> int:
    """Build channel states, segment memberships, and entries and exits."""
    return describe_segments(
        run.warehouse,
        run.store,
        run.rules.catalogue,
        run.rules.policy.consent,
        as_of=run.as_of,
        started_at=run.started_at,
        run_id=run.run_id,
    )


def _preferences(run: Run) -> int:
    """Score each person's channels."""
    prefer(run.warehouse, run.as_of, run.rules.policy.scores)
    return run.warehouse.count("segments.channel_preferences")


def _publish(run: Run) -> int:
    """Apply the quality gate to the derived tables; then publish landing, warehouse and store, in this order."""
    _gate(run, ("identity", "profiles", "products", "segments"))
    report, superseded = run.report(published=True), run.found.landing.superseded
    profiles = publish(run.warehouse, run.store, report, superseded, settings=run.settings, scratch=run.scratch)
    if run.model != run.rules.model:
        keep_model(run.settings.home, run.model, training_report(run.model))
        use_model(run.settings.home, run.model.version)
    return profiles


@dataclass(frozen=True)
class Stage:
    """A step of a run: reads the results of earlier stages, writes its own schema, returns its number of rows."""

    name: str
    work: Callable[[Run], int]


STAGES: tuple[Stage, ...] = (
    Stage("land", _land),
    Stage("conform", _conform),
    Stage("check", _check),
    Stage("match", _match),
    Stage("train", _train),
    Stage("link", _link),
    Stage("profiles", _profiles),
    Stage("products", _products),
    Stage("segments", _segments),
    Stage("preferences", _preferences),
    Stage("publish", _publish),
)


def run(
    settings: Settings,
    inputs: Sequence[str],
    progress: Progress,
    *,
    now: datetime,
    full: bool = False,
    as_of: datetime | None = None,
) -> RunReport:
    """Ingest `inputs` (files, folders, globs), resolve identities, derive and publish.

    Args:
        now: the wall clock, UTC.
        full: discard the warehouse and derive everything again from landing and store.
        as_of: the time to compute the state for; by default that of the newest event.

    Raises:
        InputRefused, QualityGateFailed, Unavailable, ConfigurationError, IdentityError: nothing was published.
    """
    rules = Rules.of(settings)
    files = discover(inputs, rules.sources)
    for file in files:
        if file.guessed and file.mapping:
            progress.guessed(file.path, describe(file.mapping))
    with run_lock(settings.home), closing(open_store(settings.effective_store_url)) as store:
        catch_up(settings, store, now=now)
        if not files and not _has_work(settings, store):
            raise UsageError("no input and no earlier data", hint="Name files, folders or globs, or try `cdp demo`")
        with _scratch(settings.home, now) as (run_id, scratch):
            warehouse = _working_copy(settings, scratch, progress, empty=full)
            this = Run(run_id, now, as_of, files, settings, rules, scratch, warehouse, store, progress)
            try:
                return _execute(this)
            finally:
                warehouse.close()


def _working_copy(settings: Settings, scratch: Path, progress: Progress, *, empty: bool) -> Warehouse:
    """The warehouse to derive in: a copy of the published one, unless its tables are those of an earlier version."""
    warehouse = open_working_copy(settings, scratch, empty=empty)
    if not warehouse.is_outdated(tables.TABLES):
        return warehouse
    warehouse.close()
    progress.rebuilding("its tables are those of an earlier version")
    return open_working_copy(settings, scratch, empty=True)


def _has_work(settings: Settings, store: Store) -> bool:
    """Whether a run without inputs has anything to derive from."""
    if published_path(settings.home).exists() or landed_files(settings.home / "landing"):
        return True
    with store.read() as connection:
        return has_unlanded(connection)


def _execute(this: Run) -> RunReport:
    this.warehouse.create_tables(tables.TABLES)
    try:
        for stage in STAGES:
            _timed(this, stage)
    except QualityGateFailed:
        report = this.report(published=False).document()
        with this.store.write() as connection:
            record_run(connection, this.run_id, this.started_at, this.started_at, published=False, report=report)
        raise
    return this.report(published=True)


def _timed(this: Run, stage: Stage) -> None:
    this.progress.stage_started(stage.name)
    begun = monotonic()
    rows = stage.work(this)
    seconds = round(monotonic() - begun, 3)
    this.found.stages.append(StageReport(name=stage.name, rows=rows, seconds=seconds))
    this.progress.stage_ended(stage.name, rows, seconds)


def _gate(this: Run, schemas: Sequence[str]) -> int:
    """Check the contracts of the tables in these schemas; returns the number of met expectations."""
    checked = check(this.warehouse, schemas, home=this.settings.home, run_id=this.run_id)
    this.found.verdicts += checked.reports()
    checked.gate()
    return checked.passed


@contextmanager
def _scratch(home: Path, now: datetime) -> Iterator[tuple[str, Path]]:
    """A run id and its scratch folder. Leftovers of killed runs are removed."""
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
