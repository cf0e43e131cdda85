"""`cdp evaluate behaviour`, as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.command import SAMPLE, Command, cdp
from tests.e2e.conftest import SampleRun

pytestmark = pytest.mark.long


def test_scores_and_hours_beat_simple_rules_and_come_near_the_upper_bound(sample_run: SampleRun) -> None:
    answer = cdp(sample_run.home, "evaluate", "behaviour", "--truth", str(SAMPLE), "--json")
    assert answer.exit_code == 0, answer.stderr
    found = json.loads(answer.stdout)
    rules = {one["rule"]: one["worse_by"]["value"] for one in found["channels"]["rules"]}
    assert rules["score"] == 0
    assert min(rules["global rate"], rules["channel rate"], rules["last click"], rules["raw rate"]) > 0
    assert sum(one["cases"] for one in found["channels"]["deciles"]) == found["channels"]["messages"]
    truth = found["truth"]
    assert truth["channel"]["named"] > truth["channel"]["allowed"] - 0.05
    assert truth["hour"]["named"] > truth["hour"]["allowed"] - 0.1
    page, *pictures = map(Path, found["files"])
    assert "<svg" in page.read_text()
    assert "http" not in page.read_text().replace("http-equiv", "")
    assert pictures[0].read_bytes().startswith(b"\x89PNG")
    assert answer.stdout == cdp(sample_run.home, "evaluate", "behaviour", "--truth", str(SAMPLE), "--json").stdout


def test_terminal_output(sample: Command) -> None:
    answer = sample("evaluate", "behaviour")
    assert answer.exit_code == 0, answer.stderr
    for words in ("Channel preference", "Best time", "last click", "reliability.html"):
        assert words in answer.stdout


def test_too_little_data_is_reported(command: Command, small_home: Path, home: Path) -> None:
    shutil.copytree(small_home, home)
    answer = command("evaluate", "behaviour")
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.count("Insufficient data") == 2


def test_no_published_warehouse(command: Command) -> None:
    answer = command("evaluate", "behaviour")
    assert (answer.exit_code, "there is no warehouse yet" in answer.stderr) == (7, True)


def test_no_truth(sample: Command, tmp_path: Path) -> None:
    answer = sample("evaluate", "behaviour", "--truth", str(tmp_path))
    assert (answer.exit_code, "no such file" in answer.stderr) == (4, True)
    (tmp_path / "truth.csv").write_text("a,b\n1,2\n")
    answer = sample("evaluate", "behaviour", "--truth", str(tmp_path))
    assert (answer.exit_code, "missing column file" in answer.stderr) == (4, True)
    (tmp_path / "truth.csv").write_text("file,line_number,person_id,best_channel,best_hour\nx,1,p,email,8\n")
    answer = sample("evaluate", "behaviour", "--truth", str(tmp_path))
    assert (answer.exit_code, "missing column p_email" in answer.stderr) == (4, True)
