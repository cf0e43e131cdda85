"""The command line interface, `cdp`. A group of commands is one module here and one entry in `GROUPS`.

Commands read the settings and the clock once, call the other packages, and print the results.
"""

from __future__ import annotations

import logging
import sys
import traceback
from importlib.metadata import version
from types import TracebackType
from typing import Annotated, NoReturn

import structlog
import typer
from typer.exceptions import TyperException

from cdp.cli import (
    about,
    clients,
    consents,
    decisions,
    evaluate,
    identity,
    messages,
    run,
    segments,
    send,
    serve,
    simulate,
    sql,
    tail,
    templates,
    terminal,
    work,
)
from cdp.errors import CdpError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Customer data platform: from channel logs to unified profiles. Start with `cdp demo`.",
)
# In the order in which `cdp --help` lists them. The commands of a named group follow its name: `cdp clients add`.
GROUPS = (
    run.app,
    segments.app,
    identity.app,
    evaluate.app,
    sql.app,
    serve.app,
    tail.app,
    work.app,
    messages.app,
    templates.app,
    send.app,
    clients.app,
    consents.app,
    decisions.app,
    simulate.app,
    about.app,
)
for group in GROUPS:
    app.add_typer(group)


def main() -> None:
    """Run the command line. Usage errors and `CdpError`s are reported in one line, with an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    _log_to_stderr(debug)
    if not debug:
        sys.excepthook = _one_line
    try:
        # In standalone mode Typer handles usage errors itself and prints three lines.
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
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug logs, with any command.")] = False,
) -> None:
    """Customer data platform: from channel logs to unified profiles. Start with `cdp demo`."""


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
    """Report an unexpected error as a defect, in one line; `--debug` shows the traceback."""
    del error, trace
    sys.stderr.write(f"cdp: internal error: {kind.__name__}. Run it again with --debug and report the output\n")
