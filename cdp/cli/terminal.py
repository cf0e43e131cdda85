"""Terminal output: tables, bars, progress, and rows as CSV or JSON. No figures are computed here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

BAR_WIDTH = 24
GAP = 2
# Text folded into a narrower column than this is unreadable.
NARROWEST_FOLD = 16


class StageProgress:
    """A run's stages, as bars on a terminal and as plain lines otherwise; always on standard error."""

    def __init__(self, console: Console = err) -> None:
        self.console = console
        # The bars disappear when they are done, because the table of stages after a run repeats their figures.
        self.bars = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=BAR_WIDTH),
            TextColumn("{task.fields[rows]:>14}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
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
        self.console.print(f"{path.name}: no mapping file; mapping inferred from the headers:", markup=False)
        self.console.print(description, markup=False)

    def rebuilding(self, reason: str) -> None:
        self.console.print(f"The warehouse is derived again as a whole: {reason}.", markup=False)

    def training(self, reason: str) -> None:
        self.console.print(f"A model of these people is trained: {reason}.", markup=False)

    def not_trained(self) -> None:
        self.console.print("There is too little to train on: the model in use stays.", markup=False)


def heading(text: str) -> None:
    out.print(f"\n[bold]{text}[/bold]")


def say(text: str) -> None:
    """A line of prose, wrapped at words."""
    out.print(text, markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, folding: Collection[str] = ()) -> RenderableType:
    """A table with numbers right-aligned. If it is too wide, its widest column and those in `folding` fold; if that is
    not enough, its rows stand one below the other.
    """
    return _fitting(columns, list(rows), _figure, folding, out.width)


def frame(rows: pl.DataFrame, width: int | None = None) -> RenderableType:
    """A frame as a table, or as records one below the other if the table would be too wide."""
    return _fitting(rows.columns, list(rows.iter_rows()), _cell, (), width or out.width)


def bars(shares: Mapping[str, tuple[float, str]]) -> Table:
    """A small bar chart: label → (length relative to the others, caption after the bar)."""
    made = Table(box=None, show_header=False, padding=(0, GAP, 0, 0), pad_edge=False)
    longest = max((length for length, _ in shares.values()), default=0) or 1
    for label, (length, caption) in shares.items():
        made.add_row(label, Text("█" * max(1, round(BAR_WIDTH * length / longest)), style="cyan"), caption)
    return made


def csv_text(rows: pl.DataFrame) -> str:
    """CSV with a header; lists and structs as JSON."""
    nested = [_as_json(name) for name in rows.select(cs.nested()).columns]
    return rows.with_columns(nested).write_csv()


def json_text(rows: pl.DataFrame) -> str:
    """A JSON array of objects; decimals as numbers, times as ISO 8601."""
    return rows.with_columns(cs.decimal().cast(pl.Float64)).write_json() + "\n"


def minute(time: str | datetime) -> str:
    """A time to the minute, for display: 2026-11-19 23:13."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return f"{moment:%Y-%m-%d %H:%M}"


def _fitting(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    shown: Callable[[Any], str],
    folding: Collection[str],
    available: int,
) -> RenderableType:
    widths = _widths(columns, rows, shown)
    widest = max(widths, default=0)
    folds = [width == widest or name in folding for name, width in zip(columns, widths, strict=True)]
    narrowest = sum(min(width, NARROWEST_FOLD) if fold else width for width, fold in zip(widths, folds, strict=True))
    if narrowest + GAP * (len(widths) - 1) <= available:
        return _table(columns, rows, shown, folds)
    return Group(*(_record(number, columns, row, shown) for number, row in enumerate(rows, 1)))


def _record(number: int, columns: Sequence[str], row: Sequence[Any], shown: Callable[[Any], str]) -> Table:
    made = Table(
        title=f"row {number}", title_justify="left", title_style="dim", box=None, show_header=False, pad_edge=False
    )
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in zip(columns, row, strict=True):
        made.add_row(name, Text(shown(value)))
    return made


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], shown: Callable[[Any], str], folds: Sequence[bool]
) -> Table:
    made = Table(header_style="dim", box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for position, name in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[position]) for row in rows)
        made.add_column(name, justify="right" if numeric else "left", no_wrap=not folds[position], overflow="fold")
    for row in rows:
        made.add_row(*(Text(shown(value)) for value in row))
    return made


def _widths(columns: Sequence[str], rows: Iterable[Sequence[Any]], shown: Callable[[Any], str]) -> list[int]:
    widths = [cell_len(name) for name in columns]
    for row in rows:
        widths = [max(width, cell_len(shown(value))) for width, value in zip(widths, row, strict=True)]
    return widths


def _as_json(name: str) -> pl.Expr:
    """The column as JSON text. Polars encodes structs only, so each value is wrapped in one and unwrapped again."""
    wrapped = pl.struct(pl.col(name).alias("v")).struct.json_encode()
    bare = wrapped.str.strip_prefix('{"v":').str.strip_suffix("}")
    return pl.when(pl.col(name).is_not_null()).then(bare).alias(name)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _cell(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(round(value, 6))
    if isinstance(value, (list, pl.Series)):
        return ", ".join(map(_cell, value))
    return str(value)
