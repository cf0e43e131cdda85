"""From sample files to an HTTP answer, as the README tells it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.command import cdp, serving, started, token
from tests.e2e.conftest import SampleRun

PERSON = """
select profile_id, email, first_name from profiles.profiles
join (from segments.memberships where segment = 'repeat_customer') using (profile_id)
join identity.identifier_values on type = 'email' and value = email and quality = 'unique'
where first_name is not null order by profile_id limit 1
"""


@dataclass(frozen=True)
class Service:
    """A running `cdp serve`, and a token for it."""

    http: httpx.Client
    token: str

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self.http.request(method, path, headers={"Authorization": f"Bearer {self.token}"}, **arguments)


@pytest.fixture(scope="module")
def service(sample_run: SampleRun) -> Iterator[Service]:
    client = json.loads(cdp(sample_run.home, "clients", "add", "e2e", "--scope", "profiles:read", "--json").stdout)
    with serving(sample_run.home) as url, httpx.Client(base_url=url, timeout=10) as http:
        yield Service(http, token(url, client))


def rows(home: Path, query: str) -> list[dict[str, Any]]:
    answer = cdp(home, "sql", query, "--format", "json")
    assert answer.exit_code == 0, answer.stderr
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def test_the_service_is_ready_with_the_run_that_was_published(sample_run: SampleRun, service: Service) -> None:
    ready = service.http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    assert ready.json()["run_id"].startswith("run_")


def test_a_person_is_found_by_another_spelling_of_their_email(sample_run: SampleRun, service: Service) -> None:
    person = rows(sample_run.home, PERSON)[0]
    answer = service.call(
        "POST", "/v1/profiles/lookup", json={"identifiers": [{"type": "email", "value": f" {person['email'].upper()}"}]}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["profile_id"] == person["profile_id"]
    assert answer.json()["profile"]["traits"]["first_name"] == person["first_name"]


def test_a_profile_read_by_its_id_equals_that_of_the_warehouse(sample_run: SampleRun, service: Service) -> None:
    person = rows(sample_run.home, PERSON)[0]
    profile_id = person["profile_id"]
    answer = service.call(
        "GET", f"/v1/profiles/{profile_id}", params={"include": "traits,segments,preferences,metrics,identity"}
    ).json()
    of_person = f"where profile_id = '{profile_id}'"
    assert answer["traits"]["email"] == person["email"]
    assert sorted(entry["segment"] for entry in answer["segments"]) == [
        row["segment"] for row in rows(sample_run.home, f"from segments.memberships {of_person} order by segment")
    ]
    metrics = rows(sample_run.home, f"select order_count, email_sent_count from profiles.metrics {of_person}")[0]
    assert {name: answer["metrics"][name] for name in metrics} == metrics
    preferences = rows(sample_run.home, f"from segments.channel_preferences {of_person}")
    assert {entry["channel"] for entry in answer["preferences"]} == {row["channel"] for row in preferences}
    members = rows(sample_run.home, f"from identity.members {of_person} and valid_to_run is null")
    assert len(answer["identity"]["members"]) == len(members)
    assert all(entry["file"] and entry["line_number"] for entry in answer["trait_evidence"])


def test_profiles_cannot_be_read_without_a_token(sample_run: SampleRun, service: Service) -> None:
    person = rows(sample_run.home, PERSON)[0]
    answer = service.http.get(f"/v1/profiles/{person['profile_id']}")
    assert answer.status_code == 401
    assert person["email"] not in answer.text


STATE = (
    "select 'profiles' as kind, bit_xor(hash(profile_id)) as digest, count(*) as rows from profiles.profiles union all "
    "select 'members', bit_xor(hash(observation_id, profile_id)), count(*) from identity.members union all "
    "select 'events', bit_xor(hash(event_id)), count(*) from conformed.events union all "
    "select 'traits', bit_xor(hash(columns(*)::varchar)), count(*) from "
    "(select profile_id || trait || value as t from profiles.traits) union all "
    "select 'memberships', bit_xor(hash(profile_id, segment)), count(*) from segments.memberships order by kind"
)


def test_the_demo_on_top_of_the_sample_changes_nothing_and_shows_its_accuracy(sample_run: SampleRun) -> None:
    before = rows(sample_run.home, STATE)
    again = cdp(sample_run.home, "demo", "--json")
    assert again.exit_code == 0, again.stderr
    assert rows(sample_run.home, STATE) == before
    run, found = (json.loads(again.stdout)[part] for part in ("run", "findings"))
    assert (run["files"], run["files_known"], run["landed"]) == (0, sample_run.report["files"], 0)
    assert found["people"] == 2_000
    assert found["pairwise"]["precision"] > 0.97
    # What no log shows, nobody can find: of the rest, nearly all.
    assert found["pairwise"]["recall"] < found["recall_of_what_evidence_allows"]
    assert found["recall_of_what_evidence_allows"] > 0.95
    assert len(found["segments"]) >= 16


def test_queries_are_answered_during_a_run_and_a_rebuild_gives_the_same_result(
    sample_run: SampleRun, tmp_path: Path
) -> None:
    home = tmp_path / "var"
    shutil.copytree(sample_run.home, home)
    before = rows(home, STATE)
    with started(home, "run", "--full", "--json") as run:
        deadline = time.monotonic() + 60
        while not any((home / "work").glob("run_*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert rows(home, STATE) == before
        state = json.loads(cdp(home, "status", "--json").stdout)
        assert state["running"], "the run was over before anybody could ask"
        refused = cdp(home, "run", "--full")
        assert (refused.exit_code, refused.error.count("another run is in progress")) == (7, 1)
        output, problems = run.communicate(timeout=240)
        assert run.returncode == 0, problems
    assert json.loads(output)["landed"] == sample_run.report["landed"]
    assert rows(home, STATE) == before
