"""Runs: ingest logs, and show the results."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cdp.cli import screens, terminal
from cdp.cli.common import AsJson, load_settings, opened_store, print_json, published
from cdp.settings import Settings, keep_private

if TYPE_CHECKING:
    import polars as pl

    from cdp.runs.report import RunReport

app = typer.Typer()

# How many people `cdp demo` asks the policy about.
_LOOKED_AT = 200

REJECTS = """
select r.source, r.reason, r.detail, f.path, r.line_number, r.file_id
from landing.rejects r join landing.files f using (file_id)
where ($1 is null or r.source = $1) and ($2 is null or r.reason = $2) order by all
"""


@app.command()
def demo(as_json: AsJson = False) -> None:
    """Ingest the sample logs and show the results. Safe to repeat.

    Example: cdp demo
    """
    from pipelines.demo import best_channel_bars, find, summary, whole_profile

    settings = load_settings()
    report = _run(settings, [str(settings.sample)])
    with published(settings) as warehouse:
        findings = find(warehouse, settings.sample / "truth.csv")
        parts = whole_profile(warehouse, findings.profile_id)
    if as_json:
        print_json({"run": report.document(), "findings": summary(findings)})
    else:
        screens.show_run(report)
        screens.show_demo(findings, parts, best_channel_bars(findings.channels), _addressee(settings))


def _addressee(settings: Settings) -> str | None:
    """Somebody whom the policy allows a marketing message now; None if there is nobody among the first."""
    from cdp.channels import MESSAGE_CHANNELS
    from cdp.decision import Question
    from cdp.decision.facts import Asked
    from cdp.decision.log import rehearse
    from cdp.decision.policy import load_policy
    from cdp.ids import sortable_id
    from cdp.people.reading import first_profile_ids

    policy, now = load_policy(settings.policy), datetime.now(UTC)
    with opened_store(settings) as store, store.read() as connection:
        ids = first_profile_ids(connection, _LOOKED_AT)
        question = Question(sortable_id("dec", now), "marketing", MESSAGE_CHANNELS)
        decisions = rehearse(connection, [Asked(question, one) for one in ids], policy, now)
    able = (one for one, answer in zip(ids, decisions, strict=True) if answer.send_at and answer.send_at <= now)
    return next(able, None)


@app.command()
def run(
    inputs: Annotated[list[str] | None, typer.Argument(metavar="INPUT", help="Files, folders or globs.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Rebuild everything from the landing tables and the store.")
    ] = False,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            parser=_utc_time, metavar="TIME", help="Compute as of this time (UTC) instead of the newest event's."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ingest log files, resolve identities, publish profiles.

    Files that were ingested before are skipped. Nothing is published unless all quality checks pass.

    Examples: cdp run logs/ · cdp run 'exports/2026-*.csv' --json · cdp run --full
    """
    report = _run(load_settings(), inputs or [], full=full, as_of=as_of)
    if as_json:
        print_json(report.document())
    else:
        screens.show_run(report)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the last runs, the published tables and their freshness.

    Example: cdp status --json
    """
    from pipelines.status import summarise

    now = datetime.now(UTC)
    state = summarise(load_settings(), now)
    if as_json:
        print_json(state.document())
    else:
        screens.show_status(state, now)


@app.command()
def rejects(
    source: Annotated[str | None, typer.Option(help="Only rows of this source.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only rows refused for this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 20,
) -> None:
    """List refused rows with their location and reason.

    Example: cdp rejects --source sendgrid --reason no_identifier
    """
    with published(load_settings()) as warehouse:
        rows = warehouse.query(REJECTS, [source, reason])
        kinds = warehouse.query("select source, reason, count(*) from landing.rejects group by all order by all")
    screens.show_rejects(rows, kinds, limit, Path.cwd())


@app.command()
def replay(
    reason: Annotated[str | None, typer.Option(help="Do nothing unless rows were refused for this reason.")] = None,
) -> None:
    """Map refused rows again, after a source or a mapping was fixed.

    All landed rows are mapped again, so this takes as long as `cdp run --full`.

    Example: cdp replay --reason bad_time
    """
    settings = load_settings()
    refused = _refused(settings, reason)
    if refused.is_empty():
        terminal.say("No row was refused for this reason." if reason else "No row was refused.")
        return
    report = _run(settings, [], full=True)
    left = refused.join(_refused(settings, reason), on=["file_id", "line_number"], how="semi")
    screens.show_run(report)
    terminal.say(f"{refused.height - left.height:,} of {refused.height:,} refused rows are resolved.")


def _utc_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("not a time such as 2026-11-20 or 2026-11-20T09:30:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _run(settings: Settings, inputs: list[str], *, full: bool = False, as_of: datetime | None = None) -> RunReport:
    from pipelines.flow import run as run_pipeline

    keep_private(settings.home)
    with terminal.StageProgress() as progress:
        return run_pipeline(settings, inputs, progress, now=datetime.now(UTC), full=full, as_of=as_of)


def _refused(settings: Settings, reason: str | None) -> pl.DataFrame:
    with published(settings) as warehouse:
        return warehouse.query(REJECTS, [None, reason])
