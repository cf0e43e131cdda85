"""The terminal output of the commands, made from the documents that `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from cdp import tables
from cdp.cli import terminal
from cdp.cli.terminal import heading, minute, out, say
from cdp.runs.report import Outcome, RunReport

if TYPE_CHECKING:
    from pipelines.status import Status

OUTCOMES: dict[Outcome, str] = {
    "event": "events",
    "observation": "descriptions of people",
    "consent": "consents",
    "duplicate": "duplicates",
    "reject": "refused",
}
MEANINGS = {table.full_name: table.row for table in tables.TABLES}


def show_run(report: RunReport) -> None:
    """A run's stages, the outcomes of its lines, and its profiles."""
    heading(report.run_id)
    rows = [[stage.name, stage.rows, stage.seconds] for stage in report.stages]
    out.print(terminal.table(["stage", "rows", "seconds"], rows))
    say(f"\n{_files_in_words(report)}")
    say(
        f"{report.profiles:,} profiles, {report.merges:,} merged, {report.splits:,} split, "
        f"as of {minute(report.as_of)} UTC"
    )


def show_demo(
    findings: Any, parts: Mapping[str, pl.DataFrame], channels: Mapping[str, tuple[float, str]], addressee: str | None
) -> None:
    """The results of `cdp demo`.

    Args:
        parts: all parts of one profile.
        channels: bars.
        addressee: somebody who may get a message now.
    """
    heading("Warehouse")
    counts = [[name, count, MEANINGS[name]] for name, count in findings.counts.items()]
    out.print(terminal.table(["table", "rows", "one row is"], counts))
    _show_identity(findings)
    heading("Segments")
    sizes = {segment: (size, f"{size:,} profiles") for segment, size in findings.segments.iter_rows()}
    out.print(terminal.bars(sizes))
    heading("Best channel")
    out.print(terminal.bars(channels))
    heading(f"A complete profile: {findings.profile_id}")
    for title, rows in parts.items():
        out.print(f"\n{title}", style="dim")
        out.print(terminal.frame(rows) if rows.height else "none")
    heading("Try next")
    say('  cdp sql "select * from profiles.profiles limit 5"')
    say(f"  cdp messages send {addressee or findings.profile_id} --template welcome")
    say("  cdp clients add sender --scope profiles:read && cdp serve")
    say("  cdp simulate --people 20000 --out logs && cdp run logs")


def show_status(state: Status, now: datetime) -> None:
    """The last runs, the reasons of refused ones, the published tables and their freshness."""
    if state.running:
        say(f"{state.running} is in progress")
    if not state.runs:
        say("There are no runs yet. Try `cdp demo`, or `cdp run` with files, folders or globs.")
        return
    heading("Last runs")
    runs = [
        [
            *(run.run_id, f"{run.as_of:%Y-%m-%d}", "published" if run.published else "refused"),
            *(run.landed, run.rejected, run.profiles),
        ]
        for run in state.runs
    ]
    out.print(terminal.table(["run", "as of", "result", "landed", "rejects", "profiles"], runs))
    for run in state.runs:
        _show_failed_checks(run)
    if state.tables:
        heading("Published")
        out.print(terminal.table(["table", "rows"], state.tables.items()))
        say(f"\nnewest event {_age(state.newest_event_at, now)}, identity model {state.model}")
    else:
        say("\nNothing is published yet.")


def show_rejects(rows: pl.DataFrame, kinds: pl.DataFrame, limit: int, folder: Path) -> None:
    """Refused rows grouped by reason, as file:line; paths below `folder` are relative to it.

    Args:
        rows: source, reason, detail, path, line_number; sorted.
        kinds: source, reason and number of rows of all refused rows, unfiltered.
    """
    if rows.is_empty():
        say("No refused row matches. The refused rows are:" if kinds.height else "No row was refused.")
        for source, reason, count in kinds.iter_rows():
            say(f"  {source} {reason} ({count:,})")
        return
    for (source, reason, detail), alike in rows.head(limit).group_by("source", "reason", "detail", maintain_order=True):
        out.print(f"[bold]{source} {reason}[/bold]: {detail}")
        for path, line_number in alike.select("path", "line_number").iter_rows():
            out.print(f"  {path.removeprefix(f'{folder}/')}:{line_number}", markup=False, soft_wrap=True)
    say(f"\n{min(limit, rows.height):,} of {rows.height:,} refused rows. Their payloads:")
    say('  cdp sql "select payload from landing.rejects"')


def show_query(rows: pl.DataFrame, limit: int) -> None:
    """The first rows of a result, with the total count if there are more."""
    out.print(terminal.frame(rows.head(limit)))
    if rows.height > limit:
        say(f"{limit:,} of {rows.height:,} rows; --format csv prints all")


def show_secret(client_id: str, secret: str) -> None:
    """A client's credentials."""
    out.print(f"client_id      {client_id}\nclient_secret  {secret}", markup=False, soft_wrap=True)
    say("The secret is not shown again.")


def show_write_key(key: str) -> None:
    """The write key, for the configuration of a tracking SDK."""
    out.print(f"write_key  {key}", markup=False, soft_wrap=True)
    say("The key is not shown again.")


def _files_in_words(report: RunReport) -> str:
    known = f"{report.files_known:,} files were ingested before" if report.files_known else ""
    if not report.files:
        return f"No new files: {known}." if known else "No new files."
    lines = report.lines
    counts = [f"{lines[outcome]:,} {words}" for outcome, words in OUTCOMES.items() if lines[outcome]]
    taken = f"{report.files:,} files, {report.landed:,} lines: {', '.join(counts)}."
    refused = " `cdp rejects` lists the refused lines." if report.rejected else ""
    return f"{taken}{refused}{f' {known}.' if known else ''}"


def _show_identity(findings: Any) -> None:
    identity, findable = findings.identity, findings.findable
    heading(f"Identity resolution against the truth ({findings.people:,} people)")
    shares = {
        "precision": (identity.precision, "of linked pairs are one person"),
        "recall": (identity.recall, "of all pairs of one person are linked"),
        "": (findable.recall, "of those that share any evidence"),
    }
    out.print(terminal.bars({label: (share, f"{share:.1%} {words}") for label, (share, words) in shares.items()}))
    say("Pairs of observations. Evidence: a shared identifier, or full name and date of birth, also through a chain.")


def _show_failed_checks(run: RunReport) -> None:
    for verdict in run.quality:
        for broken in verdict.failed:
            say(
                f"{run.run_id} was refused: {verdict.table}: {broken.expectation} "
                f"({broken.violation_count:,} violations)"
            )


def _age(newest: datetime | None, now: datetime) -> str:
    if newest is None:
        return "none"
    days = (now - newest).days
    return f"{minute(newest)} UTC ({days:,} days ago)"
