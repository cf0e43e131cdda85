"""The home is readable by its user alone, whatever the umask; simulated logs are as the user wants them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.command import cdp

LINE = '{"type":"track","event":"Song Played","userId":"u1","messageId":"m1","timestamp":"2026-07-01T12:00:00Z"}\n'


def open_to_others(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077)


def test_a_run_leaves_nothing_that_others_can_read(tmp_path: Path) -> None:
    home, logs = tmp_path / "home", tmp_path / "segment.jsonl"
    logs.write_text(LINE)
    before = os.umask(0o022)
    try:
        assert cdp(home, "run", str(logs)).exit_code == 0
        assert cdp(home, "simulate", "--people", "20", "--out", str(tmp_path / "logs")).exit_code == 0
    finally:
        os.umask(before)
    assert {"warehouse.duckdb", "store.sqlite"} <= {path.name for path in home.iterdir()}
    assert list((home / "landing").rglob("*.parquet"))
    assert open_to_others(home) == []
    assert open_to_others(tmp_path / "logs")


def test_no_other_command_leaves_anything_open(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = os.umask(0o022)
    try:
        assert cdp(home, "clients", "add", "newsletter", "--scope", "profiles:read").exit_code == 0
    finally:
        os.umask(before)
    assert open_to_others(home) == []


@pytest.mark.long
def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    home, logs = tmp_path / "home", tmp_path / "segment.jsonl"
    logs.write_text(LINE)
    assert cdp(home, "run", str(logs)).exit_code == 0
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert cdp(home, "run").exit_code == 0
    assert open_to_others(home) == []
