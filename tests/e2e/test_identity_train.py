"""`cdp identity train`: a model of the home's own, its report, and what happens to one that is broken."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.e2e.conftest import SampleRun


@pytest.fixture
def known(command: Command, sample_run: SampleRun, home: Path) -> Command:
    shutil.copytree(sample_run.home, home)
    return command


def test_training_is_deterministic_and_the_model_is_used_from_then_on(known: Command, home: Path) -> None:
    first, again = (json.loads(known("identity", "train", "--json").stdout) for _ in range(2))
    assert first == again
    assert (home / "models" / "current").read_text().strip() == first["version"]
    assert json.loads(known("status", "--json").stdout)["model"] == first["version"]
    assert known("run", "--full").exit_code == 0
    used = known("sql", "select distinct model_version from identity.edges where kind = 'model'", "--format", "csv")
    assert used.stdout.split() == ["model_version", first["version"]]


def test_the_report_opens_offline_and_has_no_personal_data(known: Command, home: Path) -> None:
    version = json.loads(known("identity", "train", "--json").stdout)["version"]
    page = (home / "models" / version / "report.html").read_text()
    assert "given_name" in page
    assert not re.search(r"""<(script|link|img|iframe)[^>]+(src|href)=["']?(https?:)?//""", page)
    assert not re.search(r"[\w.]+@example\.(com|net|org)", page)


@pytest.mark.parametrize("broken", ["current", "model"])
def test_a_broken_model_stops_a_run_with_one_line(known: Command, home: Path, broken: str) -> None:
    version = json.loads(known("identity", "train", "--json").stdout)["version"]
    spoilt = home / "models" / ("current" if broken == "current" else f"{version}/model.json")
    spoilt.write_text("?")
    answer = known("run", "--full")
    assert answer.exit_code == 6
    assert str(spoilt) in answer.error
