"""What is printed for people: no figure is ever cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cdp.cli import terminal

COLUMNS = ("store", "kills", "accepted", "taken", "twice", "lost", "untold", "unsettled", "died_with")
ROW = ("postgresql", 1_000, 54_275, 52_913, 0, 0, 0, 0, 4_571)


def printed(width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    console = Console(file=io.StringIO(), width=width)
    monkeypatch.setattr(terminal, "out", console)
    console.print(terminal.table(COLUMNS, [ROW]))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(("width", "lines"), [(200, 2), (80, 2), (70, 10), (40, 10)])
def test_a_table_that_is_too_wide_shows_its_rows_one_below_the_other(
    width: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = printed(width, monkeypatch)
    assert len(text.splitlines()) == lines
    assert all(f"{value:,}" in text for value in ROW[1:] if isinstance(value, int))
