"""`cdp segments`: sizes, why somebody is in, and what another catalogue would change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdp.settings import DATA
from tests.e2e.command import Command, cdp, in_this_process
from tests.e2e.conftest import SampleRun

SHIPPED = (DATA / "segments.yaml").read_text()
NAMES = [segment["name"] for segment in yaml.safe_load(SHIPPED)["segments"]]


@pytest.fixture
def sample(sample_run: SampleRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `cdp` in this process over the published sample."""
    return in_this_process(monkeypatch, capsys, sample_run.home, {})


def answer(command: Command, *arguments: str) -> Any:
    given = command("segments", *arguments, "--json")
    assert given.exit_code == 0, given.stderr
    return json.loads(given.stdout)


def member_of(command: Command, segment: str) -> str:
    query = f"select min(profile_id) as id from segments.memberships where segment = '{segment}'"
    found: str = json.loads(command("sql", query, "--format", "json").stdout)[0]["id"]
    return found


def test_all_shipped_segments_have_members_in_the_sample(sample: Command) -> None:
    found = answer(sample)
    assert [segment["segment"] for segment in found["segments"]] == NAMES
    assert len(NAMES) >= 16
    assert all(0 < segment["profiles"] < 2_000 for segment in found["segments"])
    assert all(segment["entered"] == segment["profiles"] and segment["left"] == 0 for segment in found["segments"])
    assert not found["file_has_changed"]


def test_the_same_catalogue_changes_nothing(sample: Command) -> None:
    found = answer(sample, "--preview", str(DATA / "segments.yaml"))["segments"]
    assert [segment["segment"] for segment in found] == NAMES
    assert all(segment["now"] == segment["then"] for segment in found)
    assert all(segment["entering"] == segment["leaving"] == 0 for segment in found)


def test_a_preview_shows_the_profiles_that_would_enter_and_leave(sample: Command, tmp_path: Path) -> None:
    changed = yaml.safe_load(SHIPPED)
    by_name = {segment["name"]: segment for segment in changed["segments"]}
    by_name["big_spender"]["rule"] = {"field": "order_value", "at_least": 400}
    by_name["repeat_customer"]["rule"] = {"field": "order_count", "at_least": 3}
    changed["segments"].remove(by_name["discount_driven"])
    changed["segments"].append({"name": "swiss", "title": "Swiss", "rule": {"field": "country", "equals": "CH"}})
    path = tmp_path / "new.yaml"
    path.write_text(yaml.safe_dump(changed))
    before = answer(sample)
    found = {segment["segment"]: segment for segment in answer(sample, "--preview", str(path))["segments"]}
    spender, repeat, dropped, new = (
        found[name] for name in ("big_spender", "repeat_customer", "discount_driven", "swiss")
    )
    assert spender["then"] - spender["now"] == spender["entering"] == len(spender["entering_profiles"]) > 0
    assert repeat["now"] - repeat["then"] == repeat["leaving"] > 0
    assert (dropped["status"], dropped["then"], dropped["leaving"]) == ("dropped", None, dropped["now"])
    assert (new["status"], new["now"], new["entering"]) == ("new", None, new["then"])
    assert answer(sample) == before
    shown = sample("segments", "--preview", str(path)).stdout
    assert f"would enter: {spender['entering_profiles'][0]}" in " ".join(shown.split())


def test_explained_memberships_agree_with_the_published_ones(sample: Command) -> None:
    for segment in ("big_spender", "cart_abandoned", "won_back_customer", "consent_gap"):
        profile_id = member_of(sample, segment)
        (found,) = answer(sample, "--profile", profile_id)["profiles"]
        assert found["profile_id"] == profile_id
        said = {one["segment"] for one in found["segments"] if one["is_in"]}
        query = f"select segment from segments.memberships where profile_id = '{profile_id}'"
        written = json.loads(sample("sql", query, "--format", "json").stdout)
        assert said == {row["segment"] for row in written} >= {segment}
        assert all(bool(one["entered_at"]) == one["is_in"] == one["why"]["held"] for one in found["segments"])


def test_an_explanation_shows_the_condition_and_its_value(sample: Command) -> None:
    profile_id = member_of(sample, "big_spender")
    (found,) = answer(sample, "--profile", profile_id)["profiles"]
    why = next(one["why"] for one in found["segments"] if one["segment"] == "big_spender")
    assert (why["condition"], why["held"]) == ("order value is at least 500", True)
    assert why["value"] >= 500
    shown = sample("segments", "--profile", profile_id).stdout
    assert "big_spender: in, since 2026-" in shown
    assert f"✓ order value is at least 500: {why['value']:,.10g}" in shown


def test_an_unknown_person_is_not_found(sample: Command) -> None:
    unknown = sample("segments", "--profile", "nobody@nowhere.example")
    assert unknown.exit_code == 2
    assert "nobody@" not in unknown.error
    assert sample("segments", "--profile", "prf_" + "0" * 26).exit_code == 2
    assert sample("segments", "--profile", "x@example.com", "--preview", "y").exit_code == 2


BROKEN = {
    "field": ("{field: shoe_size, at_least: 1}", "unknown field shoe_size"),
    "window": ("{event: ordered, within_days: 0}", "rule.within_days"),
    "circle": ("{segment: it}", "it → it"),
}


@pytest.mark.parametrize(("rule", "says"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("way", ["preview", "in force", "run"])
def test_a_bad_catalogue_is_one_line_and_exit_3(
    sample_run: SampleRun, tmp_path: Path, way: str, rule: str, says: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"version: 1\nsegments:\n  - name: it\n    title: It\n    rule: {rule}\n")
    if way == "preview":
        given = cdp(sample_run.home, "segments", "--preview", str(path))
    else:
        given = cdp(sample_run.home, "run" if way == "run" else "segments", CDP_SEGMENTS=str(path))
    assert given.exit_code == 3
    assert given.error.startswith(f"{path}:5: segment it: ")
    assert says in given.error


def test_a_changed_catalogue_file_is_reported(sample_run: SampleRun, tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    path.write_text("version: 1\nsegments: []\n")
    shown = cdp(sample_run.home, "segments", CDP_SEGMENTS=str(path)).stdout
    assert "big_spender" in shown
    assert "file has changed since the last run" in " ".join(shown.split())
