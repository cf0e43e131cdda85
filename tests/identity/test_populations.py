"""Properties over generated populations: results do not depend on the order of arrival, and ids are stable.

A population is a few invented people of two families, seen by several sources, with shared mailboxes, phones and a
tablet, a recycled number, placeholders, typos, nicknames and swapped names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp.warehouse import Warehouse
from identity.resolve import Known
from tests.identity.observations import (
    JANUARY,
    NOTHING_KNOWN,
    SHIPPED_MODEL,
    add_observations,
    groups,
    known_after,
    observation_id,
    resolved,
    warehouse_of,
)

pytestmark = pytest.mark.long

Population = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Person:
    """An invented person. `written`: spellings of the name that sources may use, as (first, last)."""

    written: tuple[tuple[str, str], ...]
    born: date
    number: int

    @property
    def family(self) -> int:
        return self.number // 2

    @property
    def holds_the_number_from(self) -> datetime:
        """The recycled number belongs to each person in turn for a hundred days."""
        return JANUARY + timedelta(days=100 * self.number)


ANN = (("Ann", "Lee"), ("Annie", "Lee"), ("Lee", "Ann"))
ROBERT = (("Robert", "Lee"), ("Bob", "Lee"), ("Robrt", "Lee"))
CHARLOTTE = (("Charlotte", "Whitford"), ("Charlote", "Whitford"), ("C", "Whitford"))
DORA = (("Dora", "Whitford"), ("Dora", "Whitfrod"), ("Whitford", "Dora"))
PEOPLE = tuple(
    Person(written, date(1960 + 9 * number, 1 + 2 * number, 3 + 5 * number), number)
    for number, written in enumerate((ANN, ROBERT, CHARLOTTE, DORA))
)
JUNK_EMAIL, JUNK_PHONE = "test@test.com", "+10000000000"
RECYCLED = "+14155550190"


def emails(person: Person) -> tuple[str | None, ...]:
    own = f"{person.written[0][0].lower()}77@mail.example"
    return None, own, own.replace("77", "7"), f"family{person.family}@mail.example", JUNK_EMAIL


def phones(person: Person) -> tuple[str | None, ...]:
    return None, f"+1415555010{person.number}", f"+1415555011{person.family}", RECYCLED, JUNK_PHONE


def homes(person: Person) -> tuple[dict[str, str], ...]:
    street = ("4 Hill Road", "12 Mill Lane")[person.family]
    return {}, {"street": street, "city": "York", "postcode": "YO1 7HU"}


def observations_of(person: Person) -> st.SearchStrategy[dict[str, Any]]:
    """Observations of a person that a source may make."""
    starts = person.holds_the_number_from
    return st.builds(
        _observation,
        source=st.sampled_from(["crm", "shopify", "segment"]),
        name=st.sampled_from([None, *person.written]),
        email=st.sampled_from(emails(person)),
        phone=st.sampled_from(phones(person)),
        device_token=st.sampled_from([None, f"device-{person.number}", "tablet"]),
        customer_id=st.sampled_from([None, None, f"c{person.number}"]),
        date_of_birth=st.sampled_from([None, person.born, person.born + timedelta(days=1)]),
        home=st.sampled_from(homes(person)),
        first_seen_at=st.integers(0, 50).map(lambda days: starts + timedelta(days=days)),
        days=st.integers(0, 40),
    )


def _observation(
    *, name: tuple[str, str] | None, home: Mapping[str, str], first_seen_at: datetime, days: int, **values: Any
) -> dict[str, Any]:
    first_name, last_name = name or (None, None)
    last_seen_at = first_seen_at + timedelta(days=days)
    return {
        **{"first_name": first_name, "last_name": last_name, "first_seen_at": first_seen_at},
        **{"last_seen_at": last_seen_at, **home, **values},
    }


OBSERVATIONS = st.sampled_from(PEOPLE).flatmap(observations_of)
POPULATIONS = st.lists(OBSERVATIONS, min_size=2, max_size=12).map(
    lambda rows: {f"o{number}": row for number, row in enumerate(rows)}
)
FEW = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(FEW, max_examples=8)


def run_id(number: int) -> str:
    return f"run_2026010{1 + number}T000000_000000"


def decided(known: Known, **pairs: Iterable[tuple[str, str]]) -> Known:
    """`known` with stewards' decisions on observations, given by name."""
    frames = {
        kind: pl.DataFrame(
            [(observation_id(left), observation_id(right)) for left, right in named],
            schema=NOTHING_KNOWN.links.schema,
            orient="row",
        )
        for kind, named in pairs.items()
    }
    return replace(known, **frames)


def pair_of_one_person(profiles: Mapping[str, str]) -> tuple[str, str] | None:
    for group in sorted(groups(profiles), key=sorted):
        if len(group) > 1:
            first, *_, last = sorted(group)
            return first, last
    return None


# -- arrival -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrival:
    """The runs (by number) in which an observation first lands, has its latest sighting, and is removed by a changed
    mapping."""

    landed: int
    completed: int
    gone: int | None

    def is_present(self, run: int) -> bool:
        return self.landed <= run and (self.gone is None or run < self.gone)


RUNS = 3
ARRIVALS = st.builds(
    lambda landed, wait, gone: Arrival(landed, landed + wait, gone),
    landed=st.integers(0, RUNS - 1),
    wait=st.integers(0, 2),
    gone=st.sampled_from([None, None, None, None, None, 1, 2]),
)


def as_of(run: int, people: Population, arrivals: Mapping[str, Arrival]) -> Population:
    """The observations present in a run, with the sightings made so far."""
    return {
        name: values if arrivals[name].completed <= run else {**values, "last_seen_at": values["first_seen_at"]}
        for name, values in people.items()
        if arrivals[name].is_present(run)
    }


def bring_to(warehouse: Warehouse, run: int, people: Population, arrivals: Mapping[str, Arrival]) -> list[str]:
    """Replace the observations with those of `run`, listing files as they land; return their names."""
    present = as_of(run, people, arrivals)
    warehouse.run("delete from conformed.observations")
    warehouse.run("delete from landing.files")
    for landed in range(run + 1):
        landing = {name: values for name, values in present.items() if arrivals[name].landed == landed}
        add_observations(warehouse, landing, run_id(landed), landed_at=JANUARY + timedelta(days=400 + landed))
    return list(present)


# The tables that resolution writes and that do not depend on earlier runs.
EVIDENCE = ("identifiers", "identifier_values", "edges", "refusals")


def evidence(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the EVIDENCE tables, with scores to nine digits."""
    return {
        table: sorted(
            (
                tuple(round(value, 9) if isinstance(value, float) else value for value in row)
                for row in warehouse.query(f"from identity.{table}").iter_rows()
            ),
            key=repr,
        )
        for table in EVIDENCE
    }


def unmoved_profiles(warehouse: Warehouse) -> set[str]:
    """The profiles whose observations have never been in another profile."""
    movers = "select observation_id from identity.members group by observation_id having count(*) > 1"
    query = (
        "select profile_id from identity.members group by profile_id "
        f"having bool_and(valid_to_run is null and observation_id not in ({movers}))"
    )
    return set(warehouse.query(query)["profile_id"])


@SOME
@given(people=POPULATIONS, data=st.data())
def test_successive_runs_find_what_a_single_run_finds(people: Population, data: st.DataObject) -> None:
    arrivals = {name: data.draw(ARRIVALS) for name in people}
    warehouse, names = warehouse_of({}), []
    profiles: dict[str, str] = {}
    for run in range(RUNS):
        names = bring_to(warehouse, run, people, arrivals)
        profiles = resolved(warehouse, names, known_after(warehouse), run_id(run))

    at_once = warehouse_of({})
    bring_to(at_once, RUNS - 1, people, arrivals)
    expected = resolved(at_once, names)
    assert groups(profiles) == groups(expected)
    assert evidence(warehouse) == evidence(at_once)
    # An id may derive from an observation that has been removed.
    any_removed = any(arrival.gone is not None for arrival in arrivals.values())
    unmoved = set() if any_removed else unmoved_profiles(warehouse)
    assert {name: id_ for name, id_ in profiles.items() if id_ in unmoved} == {
        name: expected[name] for name, id_ in profiles.items() if id_ in unmoved
    }
    assert resolved(warehouse, names, known_after(warehouse), run_id(RUNS)) == profiles
    assert warehouse.query("from identity.profile_changes").filter(pl.col("run_id") == run_id(RUNS)).is_empty()


@SOME
@given(people=POPULATIONS, order=st.randoms())
def test_arrival_order_changes_neither_groups_nor_ids_nor_evidence(people: Population, order: Any) -> None:
    shuffled = list(people.items())
    order.shuffle(shuffled)
    one, other = warehouse_of(people), warehouse_of(dict(shuffled))
    assert resolved(one, people) == resolved(other, people)
    assert evidence(one) == evidence(other)


# -- values that do not join anyone ------------------------------------------------------------------------------------

STRANGERS = (("Zdenko", "Quill"), ("Mbali", "Okafor"), ("Ingrid", "Sorensen"), ("Yusuf", "Demir"), (None, None))
PLACEHOLDERS = ({"email": JUNK_EMAIL}, {"phone": JUNK_PHONE}, {"email": JUNK_EMAIL, "phone": JUNK_PHONE})
NEWCOMERS = st.lists(
    st.builds(
        lambda name, held: {"first_name": name[0], "last_name": name[1], **held},
        st.sampled_from(STRANGERS),
        st.sampled_from(PLACEHOLDERS),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row["first_name"],
).map(lambda rows: {f"new{number}": row for number, row in enumerate(rows)})


@FEW
@given(people=POPULATIONS, newcomers=NEWCOMERS)
def test_records_that_share_placeholders_are_not_joined(people: Population, newcomers: Population) -> None:
    warehouse = warehouse_of(people)
    before = resolved(warehouse, people)
    add_observations(warehouse, newcomers, run_id(1))
    after = resolved(warehouse, [*people, *newcomers], known_after(warehouse), run_id(1))
    assert {name: after[name] for name in people} == before
    assert all(frozenset({name}) in groups(after) for name in newcomers)


def sighting_of_recycled_number(person: Person) -> st.SearchStrategy[dict[str, Any]]:
    """A sighting of the recycled number while the person holds it, with or without other traits."""
    return observations_of(person).map(lambda row: {**row, "phone": RECYCLED, "device_token": None, "email": None})


@FEW
@given(
    people=st.lists(st.sampled_from(PEOPLE).flatmap(sighting_of_recycled_number), min_size=2, max_size=8),
    with_customer_id=st.booleans(),
)
def test_a_recycled_number_does_not_join_its_holders(people: list[dict[str, Any]], with_customer_id: bool) -> None:
    population = {
        f"o{number}": row if with_customer_id else {**row, "customer_id": None} for number, row in enumerate(people)
    }
    for group in groups(resolved(warehouse_of(population), population)):
        named = {population[name]["first_name"] for name in group} - {None}
        holders = {person.number for person in PEOPLE if named & {first for first, _ in person.written}}
        assert len(holders) <= 1


# -- stewards' decisions -----------------------------------------------------------------------------------------------


@FEW
@given(people=POPULATIONS)
def test_withdrawn_decisions_restore_the_former_groups(people: Population) -> None:
    warehouse = warehouse_of(people)
    before = resolved(warehouse, people)
    pair = pair_of_one_person(before)
    if pair is None:
        return
    unlinked = decided(known_after(warehouse), unlinks=[pair])
    separated = resolved(warehouse, people, unlinked, run_id(1))
    assert separated[pair[0]] != separated[pair[1]]
    linked = decided(known_after(warehouse), links=[pair])
    joined = resolved(warehouse, people, linked, run_id(2))
    assert joined[pair[0]] == joined[pair[1]]
    withdrawn = resolved(warehouse, people, known_after(warehouse), run_id(3))
    assert groups(withdrawn) == groups(before)
    retired = dict(warehouse.query("from identity.aliases").iter_rows())
    assert all(retired.get(old, old) in withdrawn.values() for old in {**before, **separated, **joined}.values())


MODELS = st.builds(
    lambda rate, threshold: replace(SHIPPED_MODEL, version="retrained", match_rate=rate, threshold=threshold),
    st.sampled_from([1e-9, 0.01, 0.5, 0.999999]),
    st.sampled_from([0.5, 0.97]),
)


@FEW
@given(people=POPULATIONS, model=MODELS)
def test_a_stewards_unlink_holds_under_another_model(people: Population, model: Any) -> None:
    warehouse = warehouse_of(people)
    pair = pair_of_one_person(resolved(warehouse, people))
    unlinked = decided(known_after(warehouse), unlinks=[pair] if pair else [])
    under_another = resolved(warehouse, people, unlinked, run_id(1), model=model)
    assert pair is None or under_another[pair[0]] != under_another[pair[1]]
    at_once = warehouse_of(people)
    decisions = decided(NOTHING_KNOWN, unlinks=[pair] if pair else [])
    assert groups(under_another) == groups(resolved(at_once, people, decisions, model=model))
