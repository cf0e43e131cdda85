"""What a run writes to the store and what senders read from it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.errors import StatementFailed
from cdp.people.lookup import lookup
from cdp.people.published import (
    PublishedChanges,
    apply_publish,
    known_aliases,
    known_identifiers,
    known_members,
    known_profile_changes,
    profile_hashes,
)
from cdp.people.reading import find_person
from cdp.people.tables import profiles
from cdp.segments.history import append_segment_changes, known_segment_changes
from cdp.store import Connection, Store, bulk, open_store

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
EMPTY = PublishedChanges(NOW)


def rows(like: pl.DataFrame, *values: Sequence[Any]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=like.schema, orient="row")


def two_profiles() -> PublishedChanges:
    return PublishedChanges(
        NOW,
        profiles_upsert=rows(EMPTY.profiles_upsert, ("ann", '{"n": "Ann"}', "h1"), ("bob", '{"n": "Bøb"}', "h2")),
        identifiers_insert=rows(
            EMPTY.identifiers_insert,
            ("email", "ann@example.com", "ann"),
            ("email", "bob@example.com", "bob"),
            ("phone", "+14155550100", "ann"),
            ("phone", "+14155550100", "bob"),
            ("customer_id", "shopify:7", "bob"),
        ),
        members_upsert=rows(EMPTY.members_upsert, ("o1", "ann", "r1"), ("o2", "bob", "r1")),
        aliases_upsert=rows(EMPTY.aliases_upsert, ("old", "older", "r1"), ("older", "ann", "r1")),
        profile_changes_insert=rows(
            EMPTY.profile_changes_insert, ("ann", None, "created", "r1"), ("old", "ann", "merged", "r1")
        ),
    )


def publish(store: Store, changes: PublishedChanges) -> None:
    with store.write() as connection:
        apply_publish(connection, changes)


def contents(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    frames = {
        "hashes": profile_hashes(connection),
        "identifiers": known_identifiers(connection),
        "members": known_members(connection),
        "aliases": known_aliases(connection),
        "profile_changes": known_profile_changes(connection),
    }
    return {name: frame.rows() for name, frame in frames.items()}


def test_published_data_can_be_read_back(store: Store) -> None:
    publish(store, two_profiles())
    with store.read() as connection:
        assert contents(connection) == {
            "hashes": [("ann", "h1"), ("bob", "h2")],
            "identifiers": [
                ("customer_id", "shopify:7", "bob"),
                ("email", "ann@example.com", "ann"),
                ("email", "bob@example.com", "bob"),
                ("phone", "+14155550100", "ann"),
                ("phone", "+14155550100", "bob"),
            ],
            "members": [("o1", "ann", "r1"), ("o2", "bob", "r1")],
            "aliases": [("old", "older", "r1"), ("older", "ann", "r1")],
            "profile_changes": [(1, "ann", None, "created", "r1"), (2, "old", "ann", "merged", "r1")],
        }
        updated = connection.scalars(sa.select(profiles.c.updated_at)).all()
        assert updated == [NOW, NOW]


def test_an_empty_store_gives_typed_frames(store: Store) -> None:
    with store.read() as connection:
        assert known_members(connection).schema == EMPTY.members_upsert.schema
        assert known_segment_changes(connection).schema["changed_at"] == pl.Datetime("us", "UTC")


def test_segment_changes_are_appended_once_per_run(store: Store) -> None:
    entered = [("ann", "vip", "entered", NOW, "r1"), ("bob", "vip", "entered", NOW, "r2")]
    changes = pl.DataFrame(
        entered,
        schema={"profile_id": pl.String, "segment": pl.String, "change": pl.String}
        | {"changed_at": pl.Datetime("us", "UTC"), "run_id": pl.String},
        orient="row",
    )
    for some in (changes.head(1), changes.head(1), changes.tail(1)):
        with store.write() as connection:
            append_segment_changes(connection, some)
    with store.read() as connection:
        assert known_segment_changes(connection).drop("seq").rows() == entered


def test_publishing_again_changes_nothing(store: Store) -> None:
    publish(store, two_profiles())
    with store.read() as connection:
        once = contents(connection)
    publish(store, two_profiles())
    with store.read() as connection:
        assert contents(connection) == once


def test_a_later_publish_replaces_and_removes(store: Store) -> None:
    publish(store, two_profiles())
    later = PublishedChanges(
        NOW,
        profiles_upsert=rows(EMPTY.profiles_upsert, ("ann", "{}", "h3")),
        profiles_delete=rows(EMPTY.profiles_delete, ("bob",), ("never there",)),
        identifiers_delete=rows(EMPTY.identifiers_delete, ("phone", "+14155550100", "ann")),
        members_upsert=rows(EMPTY.members_upsert, ("o2", "ann", "r2")),
        members_delete=rows(EMPTY.members_delete, ("o1",)),
        aliases_upsert=rows(EMPTY.aliases_upsert, ("bob", "ann", "r2")),
        aliases_delete=rows(EMPTY.aliases_delete, ("old",)),
        profile_changes_insert=rows(EMPTY.profile_changes_insert, ("bob", "ann", "merged", "r2")),
    )
    publish(store, later)
    with store.read() as connection:
        found = contents(connection)
    assert found["hashes"] == [("ann", "h3")]
    assert found["identifiers"] == [("email", "ann@example.com", "ann")]
    assert found["members"] == [("o2", "ann", "r2")]
    assert found["aliases"] == [("bob", "ann", "r2"), ("older", "ann", "r1")]
    assert [change[3:] for change in found["profile_changes"]] == [
        ("created", "r1"),
        ("merged", "r1"),
        ("merged", "r2"),
    ]


def test_a_failed_publish_leaves_the_previous_state(store: Store) -> None:
    publish(store, two_profiles())
    with store.read() as connection:
        before = contents(connection)
    broken = PublishedChanges(
        NOW,
        profiles_delete=rows(EMPTY.profiles_delete, ("bob",)),
        members_upsert=rows(EMPTY.members_upsert, ("o1", "ann", "r2"), ("o2", None, "r2")),
    )
    with pytest.raises(StatementFailed, match="a constraint of the store is violated"):
        publish(store, broken)
    with store.read() as connection:
        assert contents(connection) == before


def test_a_large_load_keeps_its_indexes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_ROWS_AT_ONCE", 2)
    publish(store, two_profiles())
    with store.read() as connection:
        indexes = sa.inspect(connection).get_indexes("identifiers")
        assert known_identifiers(connection).height == 5
    assert [index["name"] for index in indexes] == ["ix_identifiers_profile_id"]


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.tuples(texts, texts, texts), max_size=20, unique_by=lambda row: row[0]))
def test_any_text_comes_back_as_it_went_in(values: list[tuple[str, str, str]]) -> None:
    members = rows(EMPTY.members_upsert, *values)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'store.sqlite'}")
        publish(store, PublishedChanges(NOW, members_upsert=members))
        with store.read() as connection:
            assert sorted(known_members(connection).rows()) == sorted(members.rows())
        store.close()


@pytest.mark.parametrize("text", ["", " ", '"', '""', ",", "\n", "\r\n", "\\N", "\\.", "a\tb", "NULL", "Zoë 😀"])
def test_awkward_text_comes_back_as_it_went_in(store: Store, text: str) -> None:
    changes = PublishedChanges(
        NOW,
        profiles_upsert=rows(EMPTY.profiles_upsert, ("ann", text, text)),
        profile_changes_insert=rows(EMPTY.profile_changes_insert, ("ann", text, text, "r1"), ("b", None, "", "r1")),
    )
    publish(store, changes)
    with store.read() as connection:
        assert profile_hashes(connection).rows() == [("ann", text)]
        changes_found = known_profile_changes(connection).drop("seq").rows()
    assert changes_found == [("ann", text, text, "r1"), ("b", None, "", "r1")]


def test_a_profile_is_found_by_its_id_and_by_its_aliases(store: Store) -> None:
    publish(store, two_profiles())
    asked = ("ann", "older", "old", "unknown")
    with store.read() as connection:
        found = {profile_id: find_person(connection, profile_id) for profile_id in asked}
    people = {name: (p.profile_id, p.document, p.retired_id) if p else None for name, p in found.items()}
    assert people == {
        "ann": ("ann", {"n": "Ann"}, None),
        "older": ("ann", {"n": "Ann"}, "older"),
        "old": ("ann", {"n": "Ann"}, "old"),
        "unknown": None,
    }


def test_a_cycle_of_aliases_leads_nowhere(store: Store) -> None:
    cycle = rows(EMPTY.aliases_upsert, ("x", "y", "r1"), ("y", "x", "r1"))
    publish(store, PublishedChanges(NOW, aliases_upsert=cycle))
    with store.read() as connection:
        assert find_person(connection, "x") is None


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(6)))
def test_a_chain_of_aliases_of_any_length_leads_to_its_end(order: list[int]) -> None:
    names = [f"p{number}" for number in order]
    links = [(old, new, "r1") for old, new in pairwise(names)]
    changes = PublishedChanges(
        NOW,
        profiles_upsert=rows(EMPTY.profiles_upsert, (names[-1], "{}", "h")),
        aliases_upsert=rows(EMPTY.aliases_upsert, *links),
    )
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'store.sqlite'}")
        publish(store, changes)
        with store.read() as connection:
            ends = {found.profile_id for name in names if (found := find_person(connection, name))}
        store.close()
    assert ends == {names[-1]}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], []),
        ([("email", "ann@example.com")], [("ann", 1)]),
        ([("phone", "ann@example.com")], []),
        ([("phone", "+14155550100")], [("ann", 1), ("bob", 1)]),
        ([("phone", "+14155550100"), ("email", "bob@example.com")], [("bob", 2), ("ann", 1)]),
        ([("email", "ann@example.com"), ("customer_id", "shopify:7")], [("bob", 1), ("ann", 1)]),
        (
            [
                ("email", "ann@example.com"),
                ("phone", "+14155550100"),
                ("email", "bob@example.com"),
                ("email", "x"),
            ],
            [("ann", 2), ("bob", 2)],
        ),
    ],
)
def test_lookup_puts_the_strongest_identifier_first(
    store: Store, asked: list[tuple[str, str]], found: list[tuple[str, int]]
) -> None:
    publish(store, two_profiles())
    with store.read() as connection:
        matches = lookup(connection, asked)
    assert [(match.profile_id, len(match.matched)) for match in matches] == found
    assert all(set(match.matched) <= set(asked) for match in matches)


def test_a_lookup_uses_an_index(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    statements: list[str] = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    with store.read() as connection:
        lookup(connection, [("email", "a"), ("email", "b"), ("phone", "c")])
        query = statements[-1].replace("?", "'[]'")
        plan = [step[3] for step in connection.exec_driver_sql(f"explain query plan {query}")]
    store.close()
    assert len([step for step in plan if step.startswith("SEARCH held")]) == 3
    assert not [step for step in plan if step.startswith("SCAN held")]
