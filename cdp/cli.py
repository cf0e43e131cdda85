"""The front door: `cdp`. Reads settings and the clock once, calls the rooms, and shows what they say."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal

import structlog
import typer

from cdp import terminal
from cdp.errors import CdpError, UsageError
from cdp.settings import Settings, load_settings, origin_of

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Customer data platform: channel logs in, one person out. Start with `cdp demo`.",
)
clients = typer.Typer(no_args_is_help=True, help="Clients of the API: who may ask, and what.")
app.add_typer(clients, name="clients")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else there.")]


# Simulated history ends here, so that the same arguments give the same files on any day.
SIMULATION_ENDS_AT = datetime(2026, 11, 20, tzinfo=UTC)


def main() -> None:
    """Run the command line; an error of ours is one line and its exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    _log_to_stderr(debug)
    if not debug:
        sys.excepthook = _one_line
    try:
        typer.main.get_command(app)(arguments, prog_name="cdp")
    except CdpError as error:
        if debug:
            traceback.print_exc()
        terminal.err.print(f"cdp: {error.line()}", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)


@app.command()
def demo(as_json: AsJson = False) -> None:
    """Sample logs to profiles, and what there is to see. Safe to repeat.

    Example: cdp demo
    """
    from pipelines.demo import find, summary

    settings = load_settings()
    truth = settings.sample / "truth.csv"
    with _progress(quiet=as_json) as progress:
        report = _run(settings, [str(settings.sample)], progress)
    with _published(settings) as warehouse:
        findings = find(warehouse, truth)
        if as_json:
            _print_json({"run": report, "findings": summary(findings)})
        else:
            _show_demo(settings, warehouse, report, findings)


@app.command()
def run(
    inputs: Annotated[list[str] | None, typer.Argument(help="Files, folders or globs.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Derive everything again, from landing and store.")] = False,
    as_of: Annotated[
        datetime | None, typer.Option(help="The time to speak for, UTC; that of the newest event by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One batch run over log files.

    Examples: cdp run logs/ · cdp run 'exports/2026-*.csv' --json · cdp run --full
    """
    settings = load_settings()
    with _progress(quiet=as_json) as progress:
        report = _run(settings, inputs or [], progress, full=full, as_of=as_of)
    if as_json:
        _print_json(report)
    else:
        _show_run(report)


@app.command()
def serve(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8000,
    workers: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Serve the API. Documentation is at /docs.

    Example: cdp serve --port 8000 --workers 2
    """
    import uvicorn

    from cdp.store import open_store

    # A wrong setting or a missing store is one line here, not a worker that dies.
    open_store(load_settings().effective_store_url).close()
    uvicorn.run(
        "api.app:app_factory",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        log_level="warning",
    )


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="A SELECT; a shell without it.")] = None,
    format_: Annotated[Literal["table", "csv", "json"], typer.Option("--format")] = "table",
) -> None:
    """Read-only SQL on the published warehouse.

    Example: cdp sql "select segment, count(*) from segments.memberships group by all"
    """
    settings = load_settings()
    if query is not None:
        _show_query(settings, query, format_)
        return
    while (line := _prompt("sql> ")) is not None:
        try:
            _show_query(settings, line.rstrip("; \n"), format_)
        except UsageError as error:
            terminal.err.print(error.line(), markup=False)


@app.command()
def status(as_json: AsJson = False) -> None:
    """The last runs, what is published, how fresh it is.

    Example: cdp status --json
    """
    from pipelines.status import summarise

    state = summarise(load_settings(), datetime.now(UTC))
    if as_json:
        _print_json(state)
        return
    terminal.out.print(
        terminal.table(
            "last runs",
            ["run", "as of", "published", "landed", "rejected", "profiles", "seconds"],
            [
                [
                    run["run_id"],
                    run["as_of"],
                    run["published"],
                    run["landed"],
                    run["rejected"],
                    run["profiles"],
                    run["seconds"],
                ]
                for run in state["runs"]
            ],
        )
    )
    terminal.out.print(terminal.table("tables", ["table", "rows"], state["tables"].items()))
    terminal.out.print(f"model {state['model']} · newest event {state['newest_event_at'] or 'none'}")


@app.command()
def sources() -> None:
    """The known sources, the files they recognise, their webhook path."""
    from cdp.sources import load_sources

    rows = [
        [source.name, source.title, ", ".join(source.files) or "by mapping file or headers"]
        for source in load_sources().values()
    ]
    terminal.out.print(terminal.table("", ["source", "what it is", "files"], rows))


@app.command()
def rejects(
    source: Annotated[str | None, typer.Option(help="Only this source's.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those refused for this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 20,
) -> None:
    """Refused rows: where they are, and why.

    Example: cdp rejects --source sendgrid --reason no_identifier
    """
    with _published(load_settings()) as warehouse:
        rows = warehouse.query(
            "select r.source, r.reason, r.detail, f.path || ':' || r.line_number as line "
            "from landing.rejects r join landing.files f using (file_id) "
            "where ($1 is null or r.source = $1) and ($2 is null or r.reason = $2) order by all limit $3",
            [source, reason, limit],
        )
    terminal.out.print(terminal.frame(rows))


@app.command()
def config() -> None:
    """The settings in force, and where each value came from."""
    settings = load_settings()
    rows = [[f"CDP_{name.upper()}", _masked(name, settings), origin_of(name)] for name in type(settings).model_fields]
    terminal.out.print(terminal.table("", ["setting", "value", "from"], rows))


@app.command()
def simulate(
    people: Annotated[int, typer.Option(min=1, help="How many people.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
    days: Annotated[int, typer.Option(min=1, help="Days of history.")] = 90,
) -> None:
    """Logs with known truth, in the sources' real formats.

    Example: cdp simulate --people 20000 --seed 11 --out /tmp/logs && cdp run /tmp/logs
    """
    from pipelines.simulate import simulate as write_logs

    with _progress() as progress:
        progress.stage_started("simulate")
        summary = write_logs(
            out,
            people=people,
            seed=seed,
            days=days,
            end=SIMULATION_ENDS_AT,
            progress=lambda done, total: progress.stage_advanced("simulate", done, total),
        )
    terminal.out.print(f"{summary.people:,} people, {sum(summary.rows.values()):,} rows, in {out}")


@clients.command("add")
def add_client_command(
    name: str,
    scope: Annotated[list[str], typer.Option(help="May be given several times, such as profiles:read.")],
    as_json: AsJson = False,
) -> None:
    """Add a client. Its secret is shown once and stored hashed.

    Example: cdp clients add sender --scope profiles:read
    """
    from cdp.store.clients import add_client

    with _store(load_settings()) as store, store.write() as connection:
        added = add_client(connection, name, scope, datetime.now(UTC))
    _show_secret(added.client_id, added.client_secret, as_json)


@clients.command("list")
def list_clients_command() -> None:
    """The clients and what they may do."""
    from cdp.store.clients import list_clients

    with _store(load_settings()) as store, store.read() as connection:
        rows = [
            [
                client.client_id,
                client.name,
                ", ".join(client.scopes),
                client.created_at.isoformat(timespec="seconds"),
            ]
            for client in list_clients(connection)
        ]
    terminal.out.print(terminal.table("", ["client_id", "name", "scopes", "since"], rows))


@clients.command("rotate")
def rotate_client_command(client_id: str, as_json: AsJson = False) -> None:
    """Give a client a new secret; the old one ends at once."""
    from cdp.store.clients import rotate_client

    with _store(load_settings()) as store, store.write() as connection:
        rotated = rotate_client(connection, client_id, datetime.now(UTC))
    _show_secret(rotated.client_id, rotated.client_secret, as_json)


@clients.command("remove")
def remove_client_command(client_id: str) -> None:
    """Remove a client."""
    from cdp.store.clients import remove_client

    with _store(load_settings()) as store, store.write() as connection:
        remove_client(connection, client_id, datetime.now(UTC))


def _run(
    settings: Settings,
    inputs: list[str],
    progress: terminal.StageProgress,
    *,
    full: bool = False,
    as_of: datetime | None = None,
) -> dict[str, Any]:
    from pipelines.flow import run as run_pipeline

    speaks_for = as_of.replace(tzinfo=UTC) if as_of else None
    return run_pipeline(settings, inputs, progress, now=datetime.now(UTC), full=full, as_of=speaks_for)


@contextmanager
def _progress(*, quiet: bool = False) -> Iterator[terminal.StageProgress]:
    del quiet
    with terminal.StageProgress() as progress:
        yield progress


@contextmanager
def _published(settings: Settings) -> Iterator[Any]:
    from cdp.warehouse import open_published

    warehouse = open_published(settings)
    try:
        yield warehouse
    finally:
        warehouse.close()


@contextmanager
def _store(settings: Settings) -> Iterator[Any]:
    from cdp.store import open_store

    store = open_store(settings.effective_store_url)
    try:
        yield store
    finally:
        store.close()


def _show_run(report: dict[str, Any]) -> None:
    rows = [[stage["name"], stage["rows"], stage["seconds"]] for stage in report["stages"]]
    terminal.out.print(terminal.table(report["run_id"], ["stage", "rows", "seconds"], rows))
    lines = report["lines"]
    terminal.out.print(
        f"{report['landed']:,} lines = "
        + " + ".join(f"{count:,} {outcome}s" for outcome, count in lines.items() if count)
    )
    terminal.out.print(
        f"{report['profiles']:,} profiles · {report['merges']:,} merged · {report['splits']:,} split · "
        f"as of {report['as_of']}"
    )


def _show_demo(settings: Settings, warehouse: Any, report: dict[str, Any], findings: Any) -> None:
    from pipelines.demo import best_channel_bars, whole_profile

    show = terminal.out.print
    _show_run(report)
    show(terminal.table("\nin the warehouse", ["table", "rows"], findings.counts.items()))
    identity = findings.identity
    show(
        "\nidentity against the sample's truth: "
        f"precision {identity.precision:.4f}, recall {identity.recall:.4f} "
        f"(pairs of observations that are one person: {identity.true_pairs:,})"
    )
    show(terminal.table("\nsegments", ["segment", "profiles"], findings.segments.iter_rows()))
    show(terminal.bars("\nbest channel", best_channel_bars(findings.channels)))
    show(f"\n[bold]one person, whole[/bold]: {findings.profile_id}")
    for title, rows in whole_profile(warehouse, findings.profile_id).items():
        show(f"\n{title}", style="dim")
        show(terminal.frame(rows))
    show("\n[bold]next[/bold]")
    show('  cdp sql "select * from profiles.profiles limit 5"', markup=False)
    show("  cdp clients add sender --scope profiles:read && cdp serve", markup=False)
    show("  cdp simulate --people 20000 --out logs && cdp run logs", markup=False)


def _show_query(settings: Settings, query: str, format_: str) -> None:
    from cdp.warehouse import user_query

    rows = user_query(settings, query)
    match format_:
        case "csv":
            sys.stdout.write(rows.write_csv())
        case "json":
            sys.stdout.write(rows.write_json() + "\n")
        case _:
            terminal.out.print(terminal.frame(rows))


def _show_secret(client_id: str, secret: str, as_json: bool) -> None:
    if as_json:
        _print_json({"client_id": client_id, "client_secret": secret})
    else:
        terminal.out.print(f"client_id      {client_id}\nclient_secret  {secret}", markup=False)
        terminal.out.print("The secret is not shown again.")


def _masked(name: str, settings: Settings) -> str:
    value = getattr(settings, name)
    if name == "store_url" and value and "@" in value:
        return str(value.split("://")[0] + "://…@" + value.rsplit("@", 1)[1])
    return "" if value is None else str(value)


def _prompt(text: str) -> str | None:
    try:
        return input(text)
    except EOFError:
        return None


def _print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _log_to_stderr(debug: bool) -> None:
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error that is none of ours is a defect: say so in a line; `--debug` shows the rest."""
    del trace
    sys.stderr.write(f"cdp: a defect: {kind.__name__}. Run it again with --debug and report what it prints\n")
    del error
