from __future__ import annotations

import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import SAMPLE, Command, cdp, in_this_process
from tests.e2e.logs import good_log


@dataclass(frozen=True)
class SampleRun:
    """A home in which `cdp run data/sample --json` has run, and its output."""

    home: Path
    report: dict[str, Any]


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    """Created once for all workers, each of which has a copy. Tests must not change its profiles."""
    own = tmp_path_factory.getbasetemp()
    made = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "sample"
    made.mkdir(exist_ok=True)
    report = made / "report.json"
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not report.exists():
            answer = cdp(made / "var", "run", str(SAMPLE), "--json")
            assert answer.exit_code == 0, answer.stderr
            report.write_text(answer.stdout)
    home = tmp_path_factory.mktemp("sample") / "var"
    shutil.copytree(made / "var", home)
    return SampleRun(home, json.loads(report.read_text()))


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a log of ten events, to be copied."""
    folder = tmp_path_factory.mktemp("small")
    answer = cdp(folder / "var", "run", str(good_log(folder / "logs")))
    assert answer.exit_code == 0, answer.stderr
    return folder / "var"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def command(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `cdp` in this process, with its own home."""
    return in_this_process(monkeypatch, capsys, home, {})
