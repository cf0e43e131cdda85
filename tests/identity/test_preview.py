"""Previewed merges and splits, from the members before and after."""

from __future__ import annotations

import polars as pl

from identity.preview import compare_members


def members(**profiles: str) -> pl.DataFrame:
    """Members from profile → observations, one letter each."""
    rows = [(observation, profile) for profile, letters in profiles.items() for observation in letters]
    return pl.DataFrame(rows, schema=["observation_id", "profile_id"], orient="row")


def test_merges_and_splits_are_named_with_their_sizes() -> None:
    before = members(p="abc", q="de", r="fghi", s="j")
    after = members(p="abcde", r="fg", new="hi", s="j")
    document = compare_members(before, after).as_document()
    assert document == {
        "profiles": {"before": 4, "after": 4},
        "merged": 1,
        "split": 1,
        "observations_moved": 4,
        "merges": [
            {
                "profile_id": "p",
                "observations": 5,
                "profiles": [{"profile_id": "p", "observations": 3}, {"profile_id": "q", "observations": 2}],
            }
        ],
        "splits": [
            {
                "profile_id": "r",
                "observations": 4,
                "parts": [{"profile_id": "new", "observations": 2}, {"profile_id": "r", "observations": 2}],
            }
        ],
    }


def test_the_largest_profiles_come_first() -> None:
    merges = compare_members(members(p="a", q="b", r="cd", s="e"), members(p="ab", r="cde")).as_document()["merges"]
    assert [merge["profile_id"] for merge in merges] == ["r", "p"]


def test_an_observation_that_changes_profiles_is_a_split_and_a_merge() -> None:
    changes = compare_members(members(p="ab", q="c"), members(p="a", q="bc")).as_document()
    assert (changes["merged"], changes["split"], changes["observations_moved"]) == (1, 1, 1)


def test_equal_members_mean_no_changes() -> None:
    changes = compare_members(members(p="ab"), members(p="ab")).as_document()
    assert (changes["merges"], changes["splits"], changes["observations_moved"]) == ([], [], 0)
