"""Incremental resolution: the same result as resolving everything at once, with only the affected region examined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from cdp.warehouse import Warehouse
from identity.model import MAX_BLOCK_SIZE
from identity.resolve import resolve
from tests.identity.observations import (
    JANUARY,
    NOTHING_KNOWN,
    PATTERNS,
    RUN,
    SHIPPED_MODEL,
    add_observations,
    groups,
    known_after,
    observation_id,
    resolved,
    warehouse_of,
)
from tests.identity.test_populations import Population, decided, evidence

pytestmark = pytest.mark.slow

LATER = "run_20260102T000000_000000"
NEXT_YEAR = JANUARY + timedelta(days=365)


def person(first: str, last: str, **more: Any) -> dict[str, Any]:
    return {"first_name": first, "last_name": last, **more}


def crowd(size: int, **shared: Any) -> Population:
    """People who share `shared` and have unrelated names."""
    letters = "bcdfghjklm"
    return {
        f"crowd{n}": person(
            letters[n % 10] + "ax" + letters[n // 10] * 3, letters[n // 10] + "oro" + letters[n % 10] * 3
        )
        | shared
        for n in range(size)
    }


ANN = person("Ann", "Lee", email="ann@mail.example", phone="+14155550123")
MOVED = person("Ann", "Leigh", date_of_birth=JANUARY.date(), street="4 Hill Road", postcode="YO1 7HU")
# Existing observations and new arrivals.
ARRIVALS: dict[str, tuple[Population, Population]] = {
    "an unrelated person": ({"ann": ANN}, {"bob": person("Bob", "Stone", email="bob@mail.example")}),
    "a bridge between two people's records": (
        {"shop": {"email": "ann@mail.example"}, "sms": {"phone": "+14155550123"}},
        {"crm": ANN},
    ),
    "a value that turns out to be a family's": (
        {"mail": {"email": "lees@mail.example"}, "ann": person("Ann", "Lee", email="lees@mail.example")},
        {"bob": person("Robert", "Lee", email="lees@mail.example", phone="+14155550124")},
    ),
    "a value that turns out to be junk": (
        {"ann": person("Ann", "Lee", phone="+14155550199"), "sms": {"phone": "+14155550199"}},
        crowd(8, phone="+14155550199"),
    ),
    "a recycled number": (
        {"ann": person("Ann", "Lee", phone="+14155550188"), "sms": {"phone": "+14155550188"}},
        {"kim": person("Kim", "Roe", phone="+14155550188", first_seen_at=NEXT_YEAR, last_seen_at=NEXT_YEAR)},
    ),
    "a similar person": ({"ann": MOVED, "ben": person("Ben", "Oak")}, {"anne": {**MOVED, "first_name": "Anne"}}),
    "a name for a nameless record": (
        {"shop": {"email": "ann@mail.example"}, "ann": {**MOVED, "phone": "+14155550123"}},
        {"crm": {**MOVED, "email": "ann@mail.example"}},
    ),
    "a merge that a birthday forbids": (
        {"ann": {**ANN, "date_of_birth": JANUARY.date()}},
        {"kim": person("Kim", "Roe", email="ann@mail.example", date_of_birth=NEXT_YEAR.date())},
    ),
    "one record too many for a block": (
        crowd(MAX_BLOCK_SIZE, street="1 Main Street", postcode="10115", city="Berlin"),
        {"new": person("Zoe", "Quill", street="1 Main Street", postcode="10115", city="Berlin")},
    ),
}


def evidence_of(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    doubtful = warehouse.query("select left_id, right_id, round(probability, 9) from identity.grey_pairs").rows()
    oversized = warehouse.query("from identity.oversized_blocks").rows()
    return {**evidence(warehouse), "grey_pairs": sorted(doubtful), "oversized_blocks": sorted(oversized)}


@pytest.mark.parametrize("case", ARRIVALS)
def test_later_arrivals_give_the_same_result_as_arriving_at_once(case: str) -> None:
    existing, arriving = ARRIVALS[case]
    warehouse = warehouse_of(existing)
    resolved(warehouse, existing)
    add_observations(warehouse, arriving, LATER)
    found = resolved(warehouse, [*existing, *arriving], known_after(warehouse), LATER)

    at_once = warehouse_of(existing)
    add_observations(at_once, arriving, LATER)
    assert groups(found) == groups(resolved(at_once, [*existing, *arriving]))
    assert evidence_of(warehouse) == evidence_of(at_once)


@pytest.mark.parametrize("case", ARRIVALS)
def test_removed_observations_leave_no_trace(case: str) -> None:
    existing, arriving = ARRIVALS[case]
    warehouse = warehouse_of(existing | arriving)
    resolved(warehouse, existing | arriving)
    with warehouse.frame("removed", pl.DataFrame({"observation_id": [observation_id(name) for name in arriving]})):
        warehouse.run("delete from conformed.observations where observation_id in (from removed)")
    found = resolved(warehouse, existing, known_after(warehouse), LATER)

    alone = warehouse_of(existing)
    assert groups(found) == groups(resolved(alone, existing))
    assert evidence_of(warehouse) == evidence_of(alone)
    assert (
        warehouse.scalar(
            "select count(*) from identity.members anti join conformed.observations using (observation_id)"
        )
        == 0
    )


def test_nothing_new_means_nothing_is_examined() -> None:
    people = {**ARRIVALS["a similar person"][0], **ARRIVALS["a similar person"][1]}
    warehouse = warehouse_of(people)
    before = resolved(warehouse, people)
    assert resolved(warehouse, people, known_after(warehouse), LATER) == before
    assert examined(warehouse) == set()


def test_sharing_a_placeholder_with_a_newcomer_does_not_cause_reexamination() -> None:
    existing = {"ann": {**ANN, "email": "test@test.com"}, "kim": person("Kim", "Roe", email="test@test.com")}
    arriving = {"bob": person("Bob", "Stone", email="test@test.com")}
    warehouse = warehouse_of(existing)
    resolved(warehouse, existing)
    add_observations(warehouse, arriving, LATER)
    resolved(warehouse, [*existing, *arriving], known_after(warehouse), LATER)
    assert examined(warehouse) == {observation_id("bob")}


def test_a_repeat_sighting_alone_is_not_reexamined() -> None:
    warehouse = warehouse_of({"ann": ANN})
    resolved(warehouse, ["ann"])
    warehouse.run("update conformed.observations set last_seen_at = last_seen_at + interval 1 day")
    resolved(warehouse, ["ann"], known_after(warehouse), LATER)
    assert examined(warehouse) == set()
    seen = "select max(last_seen_at) from identity.identifiers"
    assert warehouse.scalar(seen) == JANUARY + timedelta(days=1)


def examined(warehouse: Warehouse) -> set[str]:
    return set(warehouse.query("select observation_id from region")["observation_id"])


BRIDGED = {"shop": {"email": "ann@mail.example"}, "crm": ANN, "sms": {"phone": "+14155550123"}}
RULES: Mapping[str, Mapping[str, Any]] = {
    "another model": {"model": replace(SHIPPED_MODEL, version="other", match_rate=0.5)},
    "another pattern": {
        "patterns": pl.concat(
            [PATTERNS, pl.DataFrame([("email", "ann@.*", "junk", "a test")], schema=PATTERNS.schema, orient="row")]
        )
    },
}


@pytest.mark.parametrize("change", RULES)
def test_changed_rules_resolve_everything_again(change: str) -> None:
    rules = {"model": SHIPPED_MODEL, "patterns": PATTERNS, **RULES[change]}
    warehouse, other = warehouse_of(BRIDGED), warehouse_of(BRIDGED)
    resolved(warehouse, BRIDGED)
    resolve(warehouse, known_after(warehouse), run_id=LATER, **rules)
    resolve(other, NOTHING_KNOWN, run_id=RUN, **rules)
    assert evidence_of(warehouse) == evidence_of(other)


def test_the_state_may_be_dropped() -> None:
    warehouse = warehouse_of(BRIDGED)
    before = resolved(warehouse, BRIDGED)
    found = evidence_of(warehouse)
    warehouse.run("drop schema resolver cascade")
    assert resolved(warehouse, BRIDGED, known_after(warehouse), LATER) == before
    assert evidence_of(warehouse) == found


def test_ids_known_only_to_the_store_are_adopted() -> None:
    warehouse = warehouse_of(BRIDGED)
    resolved(warehouse, BRIDGED)
    stored_id = f"prf_{'7' * 26}"
    remembered = known_after(warehouse)
    known = replace(remembered, members=remembered.members.with_columns(profile_id=pl.lit(stored_id)))
    assert set(resolved(warehouse, BRIDGED, known, LATER).values()) == {stored_id}


def test_decisions_and_their_withdrawal_apply_to_old_observations() -> None:
    people = {**BRIDGED, "kim": person("Kim", "Roe")}
    warehouse = warehouse_of(people)
    before = resolved(warehouse, people)
    for decision, pair, together in (("links", ("crm", "kim"), True), ("unlinks", ("shop", "sms"), False)):
        profiles = resolved(warehouse, people, decided(known_after(warehouse), **{decision: [pair]}), LATER)
        assert (profiles[pair[0]] == profiles[pair[1]]) is together
        assert resolved(warehouse, people, known_after(warehouse), LATER) == before
