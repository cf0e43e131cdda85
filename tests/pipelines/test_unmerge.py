"""A merge and its undo: nothing that was landed, said or given out is lost on the way there and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pytest

from cdp.people.stewards import add_steward_decision
from cdp.settings import Settings
from cdp.store import open_store
from tests.pipelines.runs import (
    NOW,
    published,
    published_tables,
    run,
    sendgrid,
    settings_in,
    stored_tables,
    write_contacts,
    write_lines,
)

pytestmark = pytest.mark.slow

Tables = Mapping[str, list[tuple[Any, ...]]]
EVENTS = [
    *(sendgrid("delivered"), sendgrid("open"), sendgrid("click")),
    *(sendgrid("delivered", "ben@shop.example"), sendgrid("unsubscribe", "ben@shop.example")),
    sendgrid("delivered", "dan@shop.example"),
]
# What tells what befell a profile grows with a merge and again with its undo; the steward's word is evidence.
HISTORY = ("identity.members", "identity.profile_changes", "identity.edges", "identity.refusals", "segments.changes")


@dataclass(frozen=True)
class State:
    """What is published, and the ids in force."""

    warehouse: Tables
    store: Tables
    place: dict[str, str]

    @classmethod
    def of(cls, settings: Settings) -> State:
        query = "select observation_id, profile_id from identity.members where valid_to_run is null"
        place = {str(one): str(other) for one, other in published(settings, query)}
        return cls(published_tables(settings), stored_tables(settings), place)


@dataclass(frozen=True)
class ThereAndBack:
    settings: Settings
    before: State
    merged: State
    after: State


def decide(settings: Settings, kind: Literal["link", "unlink"], left_id: str, right_id: str, hours: int) -> None:
    store = open_store(settings.effective_store_url)
    try:
        with store.write() as connection:
            add_steward_decision(connection, kind, left_id, right_id, "sue", "asked her", NOW + timedelta(hours=hours))
    finally:
        store.close()
    run(settings, now=NOW + timedelta(hours=hours))


@pytest.fixture(scope="module")
def there_and_back(tmp_path_factory: pytest.TempPathFactory, ungated_module: None) -> ThereAndBack:
    """Ann and Ben are linked, a run is made, they are parted again, and another is made."""
    folder = tmp_path_factory.mktemp("unmerge")
    settings = settings_in(folder)
    write_contacts(folder / "logs")
    write_lines(folder / "logs" / "sendgrid.jsonl", EVENTS)
    run(settings, folder / "logs")
    before = State.of(settings)
    contacts = dict(
        published(settings, "select first_name, observation_id from conformed.observations where source = 'crm'")
    )
    pair = contacts["Ann"], contacts["Ben"]
    decide(settings, "link", *pair, hours=1)
    merged = State.of(settings)
    decide(settings, "unlink", *pair, hours=2)
    return ThereAndBack(settings, before, merged, State.of(settings))


def test_the_merge_is_one(there_and_back: ThereAndBack) -> None:
    assert len(set(there_and_back.merged.place.values())) == len(set(there_and_back.before.place.values())) - 1


def test_what_was_conformed_is_untouched_all_the_way(there_and_back: ThereAndBack) -> None:
    for table, rows in there_and_back.before.warehouse.items():
        if table.startswith(("landing.", "conformed.")):
            assert there_and_back.merged.warehouse[table] == rows, table
            assert there_and_back.after.warehouse[table] == rows, table
    assert len(there_and_back.before.warehouse["conformed.events"]) == len(EVENTS)
    assert len(there_and_back.before.warehouse["conformed.consents"]) >= 3


def test_the_merged_profile_has_what_both_had(there_and_back: ThereAndBack) -> None:
    def without_profile(state: State, table: str) -> list[tuple[Any, ...]]:
        """Rows of a table whose first column is the profile, without it and without which value is shown."""
        return sorted((row[1:3] + row[4:] for row in state.warehouse[table]), key=repr)

    assert without_profile(there_and_back.merged, "profiles.traits") == without_profile(
        there_and_back.before, "profiles.traits"
    )
    events = "select sum(event_count) from profiles.metrics"
    assert published(there_and_back.settings, events) == [(len(EVENTS),)]


def test_every_id_leads_to_the_merged_profile_meanwhile(there_and_back: ThereAndBack) -> None:
    merged = there_and_back.merged
    aliases = dict(merged.warehouse["identity.aliases"])
    assert dict(merged.store["aliases"]) == aliases
    for observation, profile_id in there_and_back.before.place.items():
        assert aliases.get(profile_id, profile_id) == merged.place[observation]


def test_the_undo_gives_everything_back_ids_included(there_and_back: ThereAndBack) -> None:
    """Compared table by table, the store's too."""
    before, after = there_and_back.before, there_and_back.after
    assert after.place == before.place
    for table, rows in before.warehouse.items():
        if table not in HISTORY:
            assert after.warehouse[table] == rows, table
    assert after.store == before.store
