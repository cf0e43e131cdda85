"""What the command line shows: tables, bars and progress. No figure is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

BAR_WIDTH = 32


class StageProgress:
    """A run's stages as bars on a terminal, as plain lines elsewhere; always on standard error."""

    def __init__(self, console: Console = err) -> None:
        self.console = console
        self.bars = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=BAR_WIDTH),
            TextColumn("{task.fields[rows]:>14}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> StageProgress:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def stage_started(self, name: str) -> None:
        self.tasks[name] = self.bars.add_task(name, total=None, rows="")

    def stage_advanced(self, name: str, done: int, total: int) -> None:
        self.bars.update(self.tasks[name], completed=done, total=total)

    def stage_ended(self, name: str, rows: int, seconds: float) -> None:
        self.bars.update(self.tasks[name], completed=1, total=1, rows=f"{rows:,} rows")
        self.bars.stop_task(self.tasks[name])
        if not self.console.is_terminal:
            self.console.print(f"{name:<12} {rows:>12,} rows {seconds:>8.1f} s")

    def guessed(self, path: Path, description: str) -> None:
        self.console.print(f"{path.name}: no mapping file; guessed from its headers:")
        self.console.print(description, markup=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table; numbers stand right."""
    shown = [list(row) for row in rows]
    made = Table(title=title or None, title_justify="left", title_style="bold", header_style="dim", box=None)
    for position, name in enumerate(columns):
        numeric = all(isinstance(row[position], (int, float)) for row in shown)
        made.add_column(name, justify="right" if numeric and shown else "left")
    for row in shown:
        made.add_row(*(Text(_cell(value)) for value in row))
    return made


def frame(rows: pl.DataFrame) -> Table:
    return table("", rows.columns, rows.iter_rows())


def bars(title: str, shares: Mapping[str, tuple[float, str]]) -> Table:
    """A small bar chart: label → (length relative to the others, what stands behind the bar)."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False)
    longest = max((length for length, _ in shares.values()), default=0) or 1
    for label, (length, caption) in shares.items():
        made.add_row(label, Text("█" * max(1, round(BAR_WIDTH * length / longest)), style="cyan"), caption)
    return made


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}"
    if isinstance(value, (list, pl.Series)):
        return ", ".join(_cell(item) for item in value)
    return str(value)
