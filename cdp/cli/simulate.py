"""Simulated logs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cdp.cli import terminal

app = typer.Typer()

SIMULATION_ENDS_AT = datetime(2026, 11, 20, tzinfo=UTC)


@app.command()
def simulate(
    people: Annotated[int, typer.Option(min=1, help="The number of people.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
    days: Annotated[int, typer.Option(min=1, help="Days of history.")] = 90,
) -> None:
    """Write logs of simulated people with a known truth.

    The logs are in the sources' real formats; truth.csv names the person behind each line.

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
