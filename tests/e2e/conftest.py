"""Homes in which `cdp` has run. Those of the sample, and the like, are made once for all workers (`homes`).

A command runs in a process of its own (`cdp`) where that proves something, and in this one (`command`, `sample`) where
it costs only its imports.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import SAMPLE, Answer, Command, cdp, in_this_process
from tests.e2e.logs import good_log

Make = Callable[[Path], Answer]


@dataclass(frozen=True)
class SampleRun:
    """A home in which `cdp run data/sample --json` has run, and what that printed."""

    home: Path
    report: dict[str, Any]


@dataclass(frozen=True)
class Homes:
    """Homes that are made once for all workers, however many ask for one."""

    shared: Path

    def made_once(self, name: str, make: Make) -> tuple[Path, str]:
        """The home that `make` fills, and what that printed. Nobody writes to it; who has to takes a copy."""
        folder = self.shared / name
        folder.mkdir(exist_ok=True)
        printed = folder / "printed"
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not printed.exists():
                answer = make(folder / "var")
                assert answer.exit_code == 0, answer.stderr
                printed.write_text(answer.stdout)
        return folder / "var", printed.read_text()


# What the programs and pages of the SDK tests need.
PACKAGES = (
    "@segment/analytics-node@3.1.0",
    "@rudderstack/rudder-sdk-node@3.0.13",
    "@segment/analytics-next@1.84.3",
    "@rudderstack/analytics-js@3.34.1",
    "jsdom@29.1.1",
)


@pytest.fixture(scope="session")
def node_modules(homes: Homes) -> Path:
    """A folder with the packages, installed once for all workers."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not on this machine")

    def install(folder: Path) -> Answer:
        folder.mkdir()
        options = ("--no-audit", "--no-fund", "--ignore-scripts")
        command = [npm, "install", "--prefix", str(folder), *options, *PACKAGES]
        installed = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return Answer(0, str(installed.returncode), installed.stderr)

    folder, code = homes.made_once("node", install)
    if code != "0":
        pytest.skip("npm cannot install the SDKs here: is there a network?")
    return folder / "node_modules"


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "homes"
    shared.mkdir(exist_ok=True)
    return Homes(shared)


@pytest.fixture(scope="session")
def sample_run(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    """This worker's copy of it: who uses it leaves its profiles as they are."""
    made, printed = homes.made_once("sample", lambda home: cdp(home, "run", str(SAMPLE), "--json"))
    home = tmp_path_factory.mktemp("sample") / "var"
    shutil.copytree(made, home)
    return SampleRun(home, json.loads(printed))


@pytest.fixture(scope="session")
def small_home(homes: Homes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds a log of ten events; for copies."""
    log = good_log(tmp_path_factory.mktemp("small"))
    home, _ = homes.made_once("small", lambda home: cdp(home, "run", str(log)))
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def command(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `cdp` in this process, with a home of its own."""
    return in_this_process(monkeypatch, capsys, home, {})


@pytest.fixture
def sample(sample_run: SampleRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `cdp` in this process over the published sample, for commands that change none of its profiles."""
    return in_this_process(monkeypatch, capsys, sample_run.home, {})
