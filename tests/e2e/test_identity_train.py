"""`cdp identity train`: a model of the home's own, its report, and what happens to one that is broken."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import Answer, Command, cdp
from tests.e2e.conftest import Homes, SampleRun

pytestmark = pytest.mark.long

Trained = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def trained(homes: Homes, sample_run: SampleRun) -> Trained:
    """A home of the sample in which `cdp identity train` has run, and what that printed; for copies."""

    def train(home: Path) -> Answer:
        shutil.copytree(sample_run.home, home)
        return cdp(home, "identity", "train", "--json")

    home, printed = homes.made_once("trained", train)
    return home, json.loads(printed)


def test_it_learns_the_same_twice_and_is_used_from_then_on(trained: Trained, command: Command, home: Path) -> None:
    made, first = trained
    shutil.copytree(made, home)
    again = json.loads(command("identity", "train", "--json").stdout)
    assert again == {**first, "report": str(home / "models" / first["version"] / "report.html")}
    assert (home / "models" / "current").read_text().strip() == first["version"]
    assert json.loads(command("status", "--json").stdout)["model"] == first["version"]
    assert command("run", "--full").exit_code == 0
    used = command("sql", "select distinct model_version from identity.edges where kind = 'model'", "--format", "csv")
    assert used.stdout.split() == ["model_version", first["version"]]


def test_the_report_opens_without_a_network_and_names_nobody(trained: Trained) -> None:
    home, printed = trained
    page = (home / "models" / printed["version"] / "report.html").read_text()
    assert "given_name" in page
    assert not re.search(r"""<(script|link|img|iframe)[^>]+(src|href)=["']?(https?:)?//""", page)
    assert not re.search(r"[\w.]+@example\.(com|net|org)", page)


@pytest.mark.parametrize("broken", ["current", "model"])
def test_a_broken_model_stops_a_run_in_a_line(
    trained: Trained, small_home: Path, command: Command, home: Path, broken: str
) -> None:
    made, printed = trained
    shutil.copytree(small_home, home)
    shutil.copytree(made / "models", home / "models")
    assert json.loads(command("status", "--json").stdout)["model"] == printed["version"]
    spoilt = home / "models" / ("current" if broken == "current" else f"{printed['version']}/model.json")
    spoilt.write_text("?")
    answer = command("run", "--full")
    assert answer.exit_code == 6
    assert str(spoilt) in answer.error
