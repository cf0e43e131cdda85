"""The front door: `cdp`. Reads settings and the clock once, calls the rooms, and shows what they say."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn
from urllib.parse import urlsplit

import structlog
import typer
from typer.exceptions import TyperException

from cdp import screens, terminal
from cdp.errors import CdpError, Unavailable, UsageError
from cdp.settings import Settings, load_settings, origin_of

# Imported where they are used, so that `cdp --help` and `cdp clients` do not wait for DuckDB and Splink.
if TYPE_CHECKING:
    import polars as pl

    from cdp.store import Store
    from cdp.warehouse import Warehouse

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Customer data platform: channel logs in, one person out. Start with `cdp demo`.",
)
clients = typer.Typer(help="Clients of the API: who may ask, and what.")
app.add_typer(clients, name="clients")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else there.")]
Named = Annotated[str, typer.Argument(metavar="CLIENT", help="Its name or its client_id.")]

# Simulated history ends here, so that the same arguments give the same files on any day.
SIMULATION_ENDS_AT = datetime(2026, 11, 20, tzinfo=UTC)
# Rows of an answer that are shown as a table; CSV and JSON give all.
SHOWN_ROWS = 100


def main() -> None:
    """Run the command line. Wrong use and errors of ours are one line and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    _log_to_stderr(debug)
    if not debug:
        sys.excepthook = _one_line
    try:
        # Typer would catch wrong use itself and print three lines.
        code = typer.main.get_command(app)(arguments or ["--help"], prog_name="cdp", standalone_mode=False)
    except CdpError as error:
        if debug:
            traceback.print_exc()
        _fail(error.line(), error.exit_code)
    except TyperException as error:
        _fail(f"{error.format_message().rstrip('.')}. Try `{_command_of(error)} --help`", UsageError.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _version(asked: bool) -> None:
    if asked:
        terminal.say(f"cdp {version('tributary-cdp')}")
        raise typer.Exit


@app.callback()
def cdp(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and more log, with any command.")] = False,
) -> None:
    """Customer data platform: channel logs in, one person out. Start with `cdp demo`."""


@app.command()
def demo(as_json: AsJson = False) -> None:
    """Take in the sample logs and show what is found. Safe to repeat.

    Example: cdp demo
    """
    from pipelines.demo import best_channel_bars, find, summary, whole_profile

    settings = load_settings()
    report = _run(settings, [str(settings.sample)])
    with _published(settings) as warehouse:
        findings = find(warehouse, settings.sample / "truth.csv")
        parts = whole_profile(warehouse, findings.profile_id)
    if as_json:
        _print_json({"run": report, "findings": summary(findings)})
    else:
        screens.show_run(report)
        screens.show_demo(findings, parts, best_channel_bars(findings.channels))


def _utc_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("give a time as 2026-11-20 or 2026-11-20T09:30:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@app.command()
def run(
    inputs: Annotated[list[str] | None, typer.Argument(metavar="INPUT", help="Files, folders or globs.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Derive everything again, from landing and store.")] = False,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            parser=_utc_time, metavar="TIME", help="Speak for this time (UTC) and not for the newest event's."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take in log files, find out who is who, publish profiles.

    Files that were taken in before are passed over. Nothing is published unless all of it is sound.

    Examples: cdp run logs/ · cdp run 'exports/2026-*.csv' --json · cdp run --full
    """
    report = _run(load_settings(), inputs or [], full=full, as_of=as_of)
    if as_json:
        _print_json(report)
    else:
        screens.show_run(report)


@app.command()
def status(as_json: AsJson = False) -> None:
    """The last runs, what is published, how fresh it is.

    Example: cdp status --json
    """
    from pipelines.status import summarise

    now = datetime.now(UTC)
    state = summarise(load_settings(), now)
    if as_json:
        _print_json(state)
    else:
        screens.show_status(state, now)


@app.command()
def segments() -> None:
    """The segments: who is in by which rule, who came and went.

    Example: cdp segments
    """
    from pipelines.segments import in_words, load_catalogue

    settings = load_settings()
    catalogue = load_catalogue(settings.segments)
    with _published(settings) as warehouse:
        sizes = {name: counts for name, *counts in warehouse.query(SEGMENT_SIZES).iter_rows()}
    screens.show_segments(
        (segment.name, *sizes.get(segment.name, (0, 0, 0)), f"{segment.title}: {in_words(segment.rule)}")
        for segment in catalogue.segments
    )


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="A SELECT; a shell without it.")] = None,
    format_: Annotated[Literal["table", "csv", "json"], typer.Option("--format")] = "table",
) -> None:
    """Read-only SQL on the published warehouse.

    It answers from the last published state, also while a run is in progress. In the shell, a statement ends with a
    semicolon; Ctrl-D leaves.

    Example: cdp sql "select segment, count(*) from segments.memberships group by all"
    """
    settings = load_settings()
    if query is not None:
        _answer(settings, query, format_)
        return
    for statement in _statements():
        try:
            _answer(settings, statement, format_)
        except UsageError as error:
            if not sys.stdin.isatty():
                raise
            terminal.say(error.line())


@app.command()
def rejects(
    source: Annotated[str | None, typer.Option(help="Only this source's.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those refused for this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 20,
) -> None:
    """Refused rows: where they are, and why.

    Example: cdp rejects --source sendgrid --reason no_identifier
    """
    with _published(load_settings()) as warehouse:
        rows = warehouse.query(REJECTS, [source, reason])
        kinds = warehouse.query("select source, reason, count(*) from landing.rejects group by all order by all")
    screens.show_rejects(rows, kinds, limit, Path.cwd())


@app.command()
def replay(
    reason: Annotated[str | None, typer.Option(help="Only if there are rows refused for this reason.")] = None,
) -> None:
    """Map refused rows again, after a source or a mapping was mended.

    All that was landed is mapped again, so this takes as long as `cdp run --full`.

    Example: cdp replay --reason bad_time
    """
    settings = load_settings()
    refused = _refused(settings, reason)
    if refused.is_empty():
        terminal.say("There is no such refused row: nothing to do." if reason else "No row was refused: nothing to do.")
        return
    report = _run(settings, [], full=True)
    left = refused.join(_refused(settings, reason), on=["file_id", "line_number"], how="semi")
    screens.show_run(report)
    terminal.say(f"{refused.height - left.height:,} of {refused.height:,} refused rows are resolved.")


@app.command()
def sources() -> None:
    """The known sources and the files that they recognise.

    Example: cdp sources
    """
    from cdp.sources import load_sources

    rows = [[source.name, source.title, ", ".join(source.files)] for source in load_sources().values()]
    terminal.out.print(terminal.table(["source", "what it is", "file names"], rows))
    terminal.say(
        "\nA file by another name is known by the keys of its records. Any other CSV, Parquet or JSONL file needs a "
        "<name>.mapping.yaml beside it that says which columns are which fields (see data/sample/*.mapping.yaml), or "
        "headers that speak for themselves."
    )


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Serve the API. Documentation is at /docs.

    Example: cdp serve --port 8000 --workers 2
    """
    import uvicorn

    application = "api.app:app_factory"
    # What is wrong is one line here, and not a worker that dies again and again.
    _refuse_taken_port(host, port)
    uvicorn.Config(application, factory=True, log_config=None).load()
    terminal.err.print(f"The API is at http://{host}:{port}, its documentation at /docs; Ctrl-C ends it", markup=False)
    uvicorn.run(
        application,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        log_level="warning",
    )


@app.command()
def simulate(
    people: Annotated[int, typer.Option(min=1, help="How many people.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
    days: Annotated[int, typer.Option(min=1, help="Days of history.")] = 90,
) -> None:
    """Write logs of invented people whose truth is known.

    The logs are in the sources' real formats; truth.csv says who is behind which line.

    Example: cdp simulate --people 20000 --seed 11 --out logs
    """
    from pipelines.simulate import simulate as write_logs

    with terminal.StageProgress() as progress:
        progress.stage_started("simulate")
        summary = write_logs(
            out,
            people=people,
            seed=seed,
            days=days,
            end=SIMULATION_ENDS_AT,
            progress=lambda done, total: progress.stage_advanced("simulate", done, total),
        )
    terminal.say(f"{summary.people:,} people, {summary.total_rows:,} rows, in {out}")


@app.command()
def config() -> None:
    """The settings in force, and where each value came from.

    Example: cdp config
    """
    settings = load_settings()
    rows = [[f"CDP_{name.upper()}", _shown(name, settings), origin_of(name)] for name in type(settings).model_fields]
    terminal.out.print(terminal.table(["setting", "value", "from"], rows))


@clients.command("add")
def add_client_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it.")],
    scope: Annotated[list[str], typer.Option(help="What it may do, such as profiles:read; may be given again.")],
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
def list_clients_command(as_json: AsJson = False) -> None:
    """The clients and what they may do.

    Example: cdp clients list
    """
    from cdp.store.clients import list_clients

    with _store(load_settings()) as store, store.read() as connection:
        found = list_clients(connection)
    if as_json:
        _print_json(
            [
                {
                    **{"client_id": client.client_id, "name": client.name, "scopes": client.scopes},
                    **{"created_at": client.created_at.isoformat()},
                }
                for client in found
            ]
        )
    elif found:
        rows = [[c.name, c.client_id, " ".join(c.scopes), terminal.minute(c.created_at)] for c in found]
        terminal.out.print(terminal.table(["name", "client_id", "scopes", "since"], rows))
    else:
        terminal.say("No client yet. Try `cdp clients add NAME --scope profiles:read`.")


@clients.command("rotate")
def rotate_client_command(client: Named, as_json: AsJson = False) -> None:
    """Give a client a new secret; the old one ends at once.

    Example: cdp clients rotate sender
    """
    from cdp.store.clients import rotate_client

    with _store(load_settings()) as store, store.write() as connection:
        rotated = rotate_client(connection, client, datetime.now(UTC))
    _show_secret(rotated.client_id, rotated.client_secret, as_json)


@clients.command("remove")
def remove_client_command(client: Named) -> None:
    """Remove a client; its tokens end at once.

    Example: cdp clients remove sender
    """
    from cdp.store.clients import remove_client

    with _store(load_settings()) as store, store.write() as connection:
        remove_client(connection, client, datetime.now(UTC))
    terminal.say(f"{client} is removed.")


def _run(settings: Settings, inputs: list[str], *, full: bool = False, as_of: datetime | None = None) -> dict[str, Any]:
    from pipelines.flow import run as run_pipeline

    with terminal.StageProgress() as progress:
        return run_pipeline(settings, inputs, progress, now=datetime.now(UTC), full=full, as_of=as_of)


@contextmanager
def _published(settings: Settings) -> Iterator[Warehouse]:
    from cdp.warehouse import open_published

    warehouse = open_published(settings)
    try:
        yield warehouse
    finally:
        warehouse.close()


@contextmanager
def _store(settings: Settings) -> Iterator[Store]:
    from cdp.store import open_store

    store = open_store(settings.effective_store_url)
    try:
        yield store
    finally:
        store.close()


SEGMENT_SIZES = """
with last as (select run_id from runs.runs order by started_at desc limit 1),
moved as (
    select segment, count(*) filter (change = 'entered') as entered, count(*) filter (change = 'left') as gone
    from segments.changes semi join last using (run_id) group by segment
),
sizes as (select segment, count(*) as profiles from segments.memberships group by segment)
select segment, coalesce(profiles, 0), coalesce(entered, 0), coalesce(gone, 0)
from sizes full join moved using (segment)
"""

REJECTS = """
select r.source, r.reason, r.detail, f.path, r.line_number, r.file_id
from landing.rejects r join landing.files f using (file_id)
where ($1 is null or r.source = $1) and ($2 is null or r.reason = $2) order by all
"""


def _refused(settings: Settings, reason: str | None) -> pl.DataFrame:
    with _published(settings) as warehouse:
        return warehouse.query(REJECTS, [None, reason])


def _answer(settings: Settings, query: str, format_: str) -> None:
    from cdp.warehouse import user_query

    if not query.strip():
        raise UsageError("there is no statement", hint='Try `cdp sql "show all tables"`')
    rows = user_query(settings, query)
    match format_:
        case "csv":
            sys.stdout.write(terminal.csv_text(rows))
        case "json":
            sys.stdout.write(terminal.json_text(rows))
        case _:
            screens.show_query(rows, SHOWN_ROWS)


def _statements() -> Iterator[str]:
    """Statements from standard input, each ended by a semicolon; the last one may lack it."""
    on_terminal = sys.stdin.isatty()
    if on_terminal:
        import readline  # noqa: F401  lets `input` edit lines and remember them
    statement = ""
    try:
        while True:
            statement += input(("...> " if statement else "sql> ") if on_terminal else "") + "\n"
            if statement.rstrip().endswith(";"):
                yield statement
                statement = ""
            statement = statement.lstrip()
    except EOFError:
        if statement.strip():
            yield statement


def _refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"cannot listen: {os.strerror(error.errno) if error.errno else error}",
                where=f"{host}:{port}",
                hint="Choose another --host or --port",
            ) from error


def _show_secret(client_id: str, secret: str, as_json: bool) -> None:
    if as_json:
        _print_json({"client_id": client_id, "client_secret": secret})
    else:
        screens.show_secret(client_id, secret)


def _shown(name: str, settings: Settings) -> str:
    value = getattr(settings, name)
    if name == "store_url":
        return _without_password(settings.effective_store_url)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _without_password(url: str) -> str:
    """The URL with user, password and options masked; any of them may hold a secret."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{'***@' if place[1] else ''}{place[2]}{parts.path}{'?***' if parts.query else ''}"


def _print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _fail(line: str, exit_code: int) -> NoReturn:
    terminal.err.print(f"cdp: {line}", markup=False, soft_wrap=True)
    sys.exit(exit_code)


def _command_of(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "cdp"


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
    del error, trace
    sys.stderr.write(f"cdp: a defect: {kind.__name__}. Run it again with --debug and report what it prints\n")
