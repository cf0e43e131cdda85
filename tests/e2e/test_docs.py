"""Verified documentation: the README's examples run, and the commands that it names exist.

In the README, a fenced block marked `console` holds commands after `$ ` and, below each, what it prints. Commands that
begin with `cdp` are run, in order, in one fresh CDP_HOME. Output may be left out, whole or by a line `…`; what varies
from run to run (ids, secrets, times, seconds) may differ.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from cdp.cli import app
from cdp.tables import reference_page
from tests.e2e.command import CDP, ROOT, environment

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELISION = "…"
# A service runs until it is stopped: test_walk.py asks one.
NOT_RUN = re.compile(r"\bcdp serve\b")

VARYING = (
    (r"run_\d{8}T\d{6}_[0-9a-f]{6}", "RUN"),
    (r"prf_[0-9A-HJKMNP-TV-Z]{26}", "PROFILE"),
    (r"client_[0-9a-f]{24}", "CLIENT"),
    (r"cdp_secret_[\w-]+", "SECRET"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "TIME"),
    (r"\(\d[\d,]* days ago\)", "(AGE)"),
    (r"\s+", " "),
)


@dataclass(frozen=True)
class Example:
    command: str
    output: tuple[str, ...]


def examples(text: str) -> list[Example]:
    return [example for block in BLOCK.findall(text) for example in _commands(block)]


def _commands(block: str) -> Iterator[Example]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = next((number for number, line in enumerate(lines) if not line.endswith("\\")), 0)
        yield Example("\n".join(lines[: end + 1]), tuple(line for line in lines[end + 1 :] if line.strip()))


def normalised(line: str) -> str:
    for pattern, word in VARYING:
        line = re.sub(pattern, word, line)
    return line.strip()


def missing(shown: tuple[str, ...], printed: str) -> str | None:
    """The first line that is shown but not printed, in this order and without gaps except at an elision."""
    lines = [normalised(line) for line in printed.splitlines() if line.strip()]
    position, may_skip = 0, False
    for line in shown:
        if line.strip() == ELISION:
            may_skip = True
            continue
        wanted = normalised(line)
        found = lines.index(wanted, position) if wanted in lines[position:] else None
        if found is None or (found != position and not may_skip):
            return line
        position, may_skip = found + 1, False
    return None


def test_the_examples_in_the_readme_print_the_output_shown(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    variables = {**environment(tmp_path / "var"), "COLUMNS": "80"}
    variables["PATH"] = f"{CDP.parent}:{variables['PATH']}"
    for example in examples(README):
        if not example.command.startswith("cdp ") or NOT_RUN.search(example.command):
            continue
        done = subprocess.run(
            example.command, shell=True, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{example.command}\n{done.stderr}"
        lost = missing(example.output, done.stdout)
        assert lost is None, f"{example.command}\nshows: {lost}\nbut prints:\n{done.stdout}"


def commands(group: TyperGroup, prefix: str = "cdp") -> Iterator[str]:
    for name, command in group.commands.items():
        yield f"{prefix} {name}"
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{prefix} {name}")


def test_every_command_that_the_readme_names_exists() -> None:
    whole = typer.main.get_command(app)
    assert isinstance(whole, TyperGroup)
    known = set(commands(whole))
    groups = {" ".join(command.split()[:2]) for command in known if command.count(" ") == 2}
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", README, flags=re.DOTALL))
    named = re.findall(r"\bcdp ([a-z]+)(?: ([a-z]+))?", code)
    for first, second in named:
        command = f"cdp {first} {second}" if f"cdp {first}" in groups and second else f"cdp {first}"
        assert command in known, f"README names `{command}`"


def test_the_page_of_tables_is_up_to_date() -> None:
    assert (ROOT / "cdp" / "tables" / "reference.md").read_text() == reference_page(), "run `make docs`"


@pytest.mark.parametrize(
    ("shown", "lost"),
    [
        (("one", "two"), None),
        (("one", "…", "four"), None),
        (("…", "three", "four"), None),
        (("one", "three"), "three"),
        (("two", "one"), "two"),
        (("one", "…", "five"), "five"),
    ],
)
def test_output_is_compared_line_by_line(shown: tuple[str, ...], lost: str | None) -> None:
    assert missing(shown, "one\n\ntwo\nthree\n  four  \n") == lost


def test_varying_output_is_ignored() -> None:
    assert (
        missing(
            ("run_20260101T000000_abcdef", "land  55", "as of 2026-01-01 10:00 UTC"),
            "run_20261123T212444_b345aa\nland    55\nas of 2026-11-19 23:55 UTC\n",
        )
        is None
    )
