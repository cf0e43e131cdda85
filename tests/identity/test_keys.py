"""Stable profile ids: the assignment of a run, given the ids issued before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.keys import Assignment, IssuedIds, assign

OBSERVATIONS = [f"o{number}" for number in range(6)]


def clusters_of(place: Mapping[str, str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"observation_id": list(place), "component_id": list(place.values())},
        schema={"observation_id": pl.String, "component_id": pl.String},
    )


def founding_of(clusters: pl.DataFrame) -> pl.DataFrame:
    """Each cluster is founded by its smallest observation."""
    return (
        clusters.group_by("component_id")
        .agg(pl.col("observation_id").min().alias("founder"))
        .select(
            "component_id",
            candidates=pl.concat_list(pl.col("founder"), *(pl.col("founder") + f"'{again}" for again in range(1, 4))),
        )
    )


def issued_before(place: Mapping[str, str], run_id: str = "run_1") -> pl.DataFrame:
    return pl.DataFrame(
        [(observation, profile_id, run_id) for observation, profile_id in place.items()],
        schema=dict.fromkeys(("observation_id", "profile_id", "run_id"), pl.String),
        orient="row",
    )


def frame(rows: Iterable[tuple[str, str]], *columns: str) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=dict.fromkeys(columns, pl.String), orient="row")


def assigned(
    place: Mapping[str, str],
    before: Mapping[str, str],
    *,
    aliases: Mapping[str, str] | None = None,
    formerly: Iterable[tuple[str, str]] = (),
    elsewhere: Iterable[str] = (),
    since: Mapping[str, str] | None = None,
) -> Assignment:
    """`formerly`: (observation, profile) of past memberships; `since`: the run in which a membership began."""
    clusters = clusters_of(place)
    members = issued_before(before).with_columns(
        run_id=pl.col("observation_id").replace_strict(dict(since or {}), default=pl.col("run_id"))
    )
    issued = IssuedIds(
        members=members,
        former_members=frame(formerly, "observation_id", "profile_id"),
        aliases=frame((aliases or {}).items(), "old_profile_id", "profile_id"),
        elsewhere=pl.DataFrame({"profile_id": list(elsewhere)}, schema={"profile_id": pl.String}),
    )
    return assign(clusters, founding_of(clusters), issued)


def test_a_new_cluster_is_named_after_its_founder() -> None:
    assignment = assigned({"o1": "A", "o2": "A", "o3": "B"}, {})
    assert dict(assignment.members.iter_rows()) == {"o1": "o1", "o2": "o1", "o3": "o3"}
    assert set(assignment.changes["reason"]) == {"created"}


def test_a_merge_keeps_the_larger_profiles_id_and_leaves_an_alias() -> None:
    assignment = assigned({"o1": "A", "o2": "A", "o3": "A"}, {"o1": "p_small", "o2": "p_large", "o3": "p_large"})
    assert set(assignment.members["profile_id"]) == {"p_large"}
    assert assignment.aliases.rows() == [("p_small", "p_large")]
    assert assignment.changes.rows() == [("p_small", "p_large", "merged")]


def test_a_split_leaves_the_id_with_the_larger_part_and_records_the_parent() -> None:
    assignment = assigned({"o1": "A", "o2": "B", "o3": "B"}, dict.fromkeys(("o1", "o2", "o3"), "p"))
    assert dict(assignment.members.iter_rows()) == {"o1": "o1", "o2": "p", "o3": "p"}
    assert assignment.changes.rows() == [("o1", "p", "split")]


def test_an_id_in_use_is_not_issued_again() -> None:
    assignment = assigned({"o1": "A", "o2": "B", "o3": "B"}, dict.fromkeys(("o1", "o2", "o3"), "o1"))
    assert dict(assignment.members.iter_rows()) == {"o1": "o1'1", "o2": "o1", "o3": "o1"}


def test_aliases_follow_their_survivor() -> None:
    before = {"o1": "p1", "o2": "p2", "o3": "p2"}
    assignment = assigned({"o1": "A", "o2": "A", "o3": "A"}, before, aliases={"p0": "p1"})
    assert assignment.aliases.rows() == [("p0", "p2"), ("p1", "p2")]


def test_an_alias_of_a_profile_outside_the_region_stays() -> None:
    assignment = assigned({"o1": "A"}, {}, aliases={"p0": "p9"}, elsewhere=["p9"])
    assert assignment.aliases.rows() == [("p0", "p9")]


def test_an_id_in_use_elsewhere_is_not_issued_again() -> None:
    assert assigned({"o1": "A"}, {}, elsewhere=["o1"]).members.rows() == [("o1", "o1'1")]


def test_of_two_equal_halves_the_older_member_keeps_the_id() -> None:
    halves = {"o1": "A", "o2": "B"}
    assert assigned(halves, dict.fromkeys(halves, "p"), since={"o1": "run_2"}).members.rows() == [
        ("o1", "o1"),
        ("o2", "p"),
    ]


def test_undoing_a_merge_restores_both_ids() -> None:
    assignment = assigned(
        {"o1": "A", "o2": "B", "o3": "B"},
        dict.fromkeys(("o1", "o2", "o3"), "p_large"),
        aliases={"p_small": "p_large"},
        formerly=[("o1", "p_small")],
    )
    assert assignment.members.rows() == [("o1", "p_small"), ("o2", "p_large"), ("o3", "p_large")]
    assert assignment.aliases.is_empty()
    assert assignment.changes.rows() == [("p_small", "p_large", "split")]


def test_a_retired_id_returns_only_with_most_of_its_observations() -> None:
    assignment = assigned(
        {"o1": "A", "o2": "B", "o3": "B"},
        dict.fromkeys(("o1", "o2", "o3"), "p"),
        aliases={"p_old": "p"},
        formerly=[("o1", "p_old"), ("o2", "p_old")],
    )
    assert assignment.members.rows() == [("o1", "o1"), ("o2", "p"), ("o3", "p")]
    assert assignment.aliases.rows() == [("p_old", "p")]


PLACES = st.fixed_dictionaries(dict.fromkeys(OBSERVATIONS, st.sampled_from("ABC")))


@pytest.mark.slow
@given(first=PLACES, second=PLACES)
def test_every_observation_has_one_id_and_every_old_id_still_resolves(
    first: dict[str, str], second: dict[str, str]
) -> None:
    before = assigned(first, {})
    after = assigned(second, dict(before.members.iter_rows()))
    place = dict(after.members.iter_rows())
    assert set(place) == set(OBSERVATIONS)
    for one in OBSERVATIONS:
        for other in OBSERVATIONS:
            assert (place[one] == place[other]) == (second[one] == second[other])
    alive = set(place.values())
    reachable = alive | set(after.aliases["old_profile_id"])
    assert set(before.members["profile_id"]) <= reachable
    assert set(after.aliases["profile_id"]) <= alive


@pytest.mark.slow
@given(place=PLACES)
def test_a_re_run_changes_nothing(place: dict[str, str]) -> None:
    before = assigned(place, {})
    again = assigned(place, dict(before.members.iter_rows()))
    assert again.members.equals(before.members)
    assert again.changes.is_empty()
