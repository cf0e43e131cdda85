"""The command line and the API show the same chain of evidence, for people of the sample.

Both are asked in this process: `cdp identity explain` by the function behind it, the API by its application.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from cdp.access.clients import add_client
from cdp.people.stewards import standing_steward_decisions
from cdp.settings import Settings
from cdp.store import open_store
from cdp.warehouse import open_published
from identity.explain import Explainer
from identity.patterns import load_patterns
from identity.references import members_meant, parse
from identity.registry import model_in_use
from tests.e2e.conftest import SampleRun

# People whom several kinds of evidence hold together, few enough for all of their pairs to be asked in seconds.
PROFILES = """
select profile_id
from identity.members m
join identity.edges e on m.observation_id in (e.left_id, e.right_id)
where m.valid_to_run is null
group by profile_id
having count(distinct m.observation_id) between 3 and 5
order by count(distinct e.rule) desc, profile_id
limit $1
"""
OBSERVATIONS = "select observation_id from identity.members where profile_id = $1 and valid_to_run is null order by all"
IDENTIFIERS = """
select distinct type, value
from identity.identifiers join identity.members using (observation_id)
where profile_id = $1 and valid_to_run is null
order by all
"""
# From, to, kind, rule, probability, and what it rests on.
Told = list[tuple[str, str, str, str, float, Any]]


@dataclass(frozen=True)
class Both:
    """The two ways to ask for a chain."""

    explainer: Explainer
    http: TestClient
    region: str
    meant: dict[str, pl.DataFrame] = field(default_factory=dict)

    def explained(self, left: str, right: str) -> dict[str, Any]:
        """What `cdp identity explain LEFT RIGHT --json` prints."""
        for text in {left, right} - self.meant.keys():
            self.meant[text] = members_meant(self.explainer.warehouse, parse(text, text, self.region))
        return self.explainer.explain(self.meant[left], self.meant[right]).document

    def between_observations(self, profile_id: str, left: str, right: str) -> Any:
        asked = {"left_observation": left, "right_observation": right}
        return self._path(self.http.get(f"/v1/profiles/{profile_id}/identity", params=asked))

    def between_identifiers(self, profile_id: str, left: tuple[str, str], right: tuple[str, str]) -> Any:
        asked = {
            name: dict(zip(("type", "value"), end, strict=True)) for name, end in (("left", left), ("right", right))
        }
        return self._path(self.http.post(f"/v1/profiles/{profile_id}/identity", json=asked))

    def column(self, query: str, *parameters: str | int) -> list[Any]:
        rows = self.explainer.warehouse.query(query, list(parameters)).rows()
        return [row[0] if len(row) == 1 else row for row in rows]

    @staticmethod
    def _path(response: Any) -> Any:
        assert response.status_code == 200, response.text
        return response.json()["path"]


@pytest.fixture(scope="module")
def both(sample_run: SampleRun) -> Iterator[Both]:
    settings = Settings(home=sample_run.home)
    store, warehouse = open_store(settings.effective_store_url), open_published(settings)
    with store.write() as connection:
        client = add_client(connection, "evidence", ["profiles:read"], datetime.now(UTC))
        decisions = standing_steward_decisions(connection)
    patterns = load_patterns(*settings.identifier_value_lists)
    with TestClient(create_app(settings)) as http:
        form = {"grant_type": "client_credentials"}
        token = http.post("/oauth/token", data=form, auth=(client.client_id, client.client_secret)).json()
        http.headers["Authorization"] = f"Bearer {token['access_token']}"
        explainer = Explainer(warehouse, decisions, model_in_use(settings), patterns)
        yield Both(explainer, http, settings.default_region)
    warehouse.close()
    store.close()


def told_by_command_line(document: dict[str, Any]) -> Told:
    return [
        (link["from"], link["to"], link["kind"], link["rule"], link["probability"], _rests_on(link))
        for link in document["chain"]
    ]


def _rests_on(link: dict[str, Any]) -> Any:
    return {"type": link["type"], "value": link["value"]} if link["kind"] == "exact" else link["fields"]


def told_by_api(path: list[dict[str, Any]]) -> Told:
    names = ("left_observation", "right_observation", "kind", "rule", "probability", "evidence")
    return [tuple(step[name] for name in names) for step in path]


@pytest.mark.long
def test_both_show_the_same_chain_for_any_two_observations_of_a_profile(both: Both) -> None:
    rules = set()
    for profile_id in both.column(PROFILES, 8):
        for left, right in combinations(both.column(OBSERVATIONS, profile_id), 2):
            told = told_by_command_line(both.explained(left, right))
            assert told == told_by_api(both.between_observations(profile_id, left, right))
            assert [one for one, *_ in told] + [told[-1][1]] == [left, *(other for _, other, *_ in told)]
            rules |= {link[3] for link in told}
    assert len(rules) >= 5


@pytest.mark.long
def test_both_show_the_same_chain_for_any_two_identifiers_of_a_profile(both: Both) -> None:
    for profile_id in both.column(PROFILES, 3):
        for left, right in combinations(both.column(IDENTIFIERS, profile_id), 2):
            document = both.explained(":".join(left), ":".join(right))
            # An identifier that several people share may mean the two of another profile.
            path = both.between_identifiers(document["profile_id"], left, right)
            assert told_by_command_line(document) == told_by_api(path)
