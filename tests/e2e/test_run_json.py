"""What `cdp run --json` promises to whoever runs it from a scheduler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.command import SAMPLE, Command
from tests.e2e.conftest import SampleRun
from tests.e2e.logs import jsonl, mail

STAGES = ["land", "conform", "check", "match", "train", "link"]
STAGES += ["profiles", "products", "segments", "preferences", "publish"]

KEYS: dict[str, type] = {
    **{"run_id": str, "as_of": str, "seconds": float, "published": bool, "stages": list},
    **dict.fromkeys(("files", "landed", "rejected", "events", "observations", "profiles", "merges", "splits"), int),
    **{"quality": list, "model": str, "model_trained": bool},
}


def run(command: Command, *arguments: str) -> dict[str, Any]:
    answer = command("run", *arguments, "--json")
    assert answer.exit_code == 0, answer.stderr
    assert "land " in answer.stderr
    report: dict[str, Any] = json.loads(answer.stdout)  # nothing else is on standard output
    return report


def test_the_report_has_every_key_with_its_type(sample_run: SampleRun) -> None:
    report = sample_run.report
    assert {key: type(report[key]) for key in KEYS} == KEYS
    assert report["published"] is True
    assert [stage["name"] for stage in report["stages"]] == STAGES
    assert all(
        {"name", "rows", "seconds"} == stage.keys() and stage["rows"] >= 0 and stage["seconds"] >= 0
        for stage in report["stages"]
    )
    assert all({"table", "passed", "failed"} == verdict.keys() for verdict in report["quality"])
    assert all(verdict["passed"] > 0 and verdict["failed"] == [] for verdict in report["quality"])


def test_every_line_of_the_sample_has_one_outcome(sample_run: SampleRun) -> None:
    report = sample_run.report
    assert report["files"] == len([path for path in SAMPLE.iterdir() if is_log(path)])
    assert sum(report["lines"].values()) == report["landed"]
    assert report["lines"]["reject"] == report["rejected"] > 0
    assert sum(row["lines"] for row in report["tally"]) == report["landed"]
    assert 0 < report["profiles"] < report["observations"] < report["events"]


def is_log(path: Path) -> bool:
    return "truth" not in path.name and path.suffix != ".yaml"


def test_files_with_known_contents_are_counted_to_the_line(command: Command, tmp_path: Path) -> None:
    odd = [mail(1), mail(3, email=None), mail(4, "open"), mail(5, timestamp="soon"), mail(6)]
    items = [mail(1), mail(2), *odd, *(mail(number) for number in range(10, 20))]
    log = jsonl(tmp_path / "logs" / "sendgrid.jsonl", items, broken_line=7)
    first = run(command, str(log))
    assert first["lines"] == {"event": 13, "duplicate": 1, "reject": 3, "observation": 0, "consent": 0}
    assert (first["files"], first["landed"], first["rejected"], first["events"]) == (1, 17, 3, 13)
    assert (first["profiles"], first["merges"], first["splits"]) == (5, 0, 0)
    reasons = json.loads(
        command(
            "sql", "select reason, line_number from landing.rejects order by line_number", "--format", "json"
        ).stdout
    )
    assert [(row["line_number"], row["reason"]) for row in reasons] == [
        (4, "no_identifier"),
        (6, "bad_time"),
        (7, "broken_json"),
    ]


def test_a_known_file_is_skipped_and_a_redelivery_is_a_duplicate(command: Command, tmp_path: Path) -> None:
    log = jsonl(tmp_path / "logs" / "sendgrid.jsonl", [mail(1), mail(2)])
    first = run(command, str(log))
    again = run(command, str(log))
    assert (again["files"], again["files_known"], again["landed"]) == (0, 1, 0)
    counts = ("events", "observations", "profiles")
    assert [again[key] for key in counts] == [first[key] for key in counts]
    later = jsonl(tmp_path / "logs" / "later.jsonl", [mail(2), mail(3)])
    third = run(command, str(later))
    assert {outcome: lines for outcome, lines in third["lines"].items() if lines} == {"event": 1, "duplicate": 1}
    assert third["events"] == 3
