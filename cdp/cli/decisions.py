"""Decisions: replay past answers to senders."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from cdp.cli import terminal
from cdp.cli.common import AsJson, load_settings, opened_store, print_json

if TYPE_CHECKING:
    from cdp.decision import Decision
    from cdp.decision.log import Replay

app = typer.Typer(name="decisions", help="Decisions: replay past answers to senders.")

DIFFERENT = 1


@app.callback()
def decisions() -> None:
    """Decisions: replay past answers to senders."""


@app.command("replay")
def replay_command(
    decision_id: Annotated[str, typer.Argument(metavar="ID", help="The decision_id of an answer, dec_…")],
    as_json: AsJson = False,
) -> None:
    """Replay a logged decision with its facts and policy, and compare the answers. Exit code 1: they differ.

    Addresses are not logged, so none is shown.

    Example: cdp decisions replay dec_01KX0000000000000000000000
    """
    from cdp.decision.log import replay

    with opened_store(load_settings()) as store, store.read() as connection:
        found = replay(connection, decision_id)
    differing = [one.name for one in fields(found.logged) if _differs(found, one.name)]
    if as_json:
        _print_document(found, differing)
    else:
        _show(found, differing)
    raise typer.Exit(DIFFERENT if differing else 0)


def _differs(found: Replay, name: str) -> bool:
    return bool(getattr(found.logged, name) != getattr(found.again, name))


def _print_document(found: Replay, differing: list[str]) -> None:
    from pydantic_core import to_jsonable_python

    answers = {"logged": found.logged, "again": found.again}
    print_json(to_jsonable_python({"same": not differing, "differing": differing, **answers}))


def _show(found: Replay, differing: list[str]) -> None:
    terminal.heading(f"{found.logged.decision_id}: {_in_words(found.logged)}")
    _show_reasons(found.logged)
    if not differing:
        terminal.say(f"The same facts give the same answer under policy {found.logged.policy_version}.")
        return
    terminal.say(f"The same facts give a different answer now. Differences: {', '.join(differing)}.")
    terminal.heading(f"replayed: {_in_words(found.again)}")
    _show_reasons(found.again)


def _in_words(decision: Decision) -> str:
    if decision.channel is None or decision.send_at is None:
        return f"refused at {terminal.minute(decision.as_of)}"
    return (
        f"{decision.channel} from {terminal.minute(decision.send_at)}, requested at {terminal.minute(decision.as_of)}"
    )


def _show_reasons(decision: Decision) -> None:
    columns = ["channel", "gate", "verdict", "code", "evidence"]
    rows = [[one.channel, one.gate, one.verdict, one.code, one.evidence_id] for one in decision.reasons]
    terminal.out.print(terminal.table(columns, rows))
