"""SQL on the published warehouse."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Literal

import typer

from cdp.cli import screens, terminal
from cdp.cli.common import load_settings
from cdp.errors import UsageError
from cdp.settings import Settings

app = typer.Typer()

SHOWN_ROWS = 100


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="A SELECT; without it, open a shell.")] = None,
    format_: Annotated[Literal["table", "csv", "json"], typer.Option("--format")] = "table",
) -> None:
    """Query the published warehouse with read-only SQL.

    Queries see the last published state, even while a run is in progress. In the shell, a statement ends with a
    semicolon; Ctrl-D exits.

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


def _answer(settings: Settings, query: str, format_: str) -> None:
    from cdp.warehouse import user_query

    if not query.strip():
        raise UsageError("the statement is empty", hint='Try `cdp sql "show all tables"`')
    rows = user_query(settings, query)
    match format_:
        case "csv":
            sys.stdout.write(terminal.csv_text(rows))
        case "json":
            sys.stdout.write(terminal.json_text(rows))
        case _:
            screens.show_query(rows, SHOWN_ROWS)


def _statements() -> Iterator[str]:
    """Statements from standard input, each terminated by a semicolon, which is optional after the last one."""
    on_terminal = sys.stdin.isatty()
    if on_terminal:
        import readline  # noqa: F401  gives `input` line editing and history
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
