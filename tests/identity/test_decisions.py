"""What a steward's word on two people means for pairs of observations."""

from __future__ import annotations

import polars as pl
import pytest

from cdp.errors import IdentityError, UsageError
from identity.decisions import bridges, pair_to_link, pairs_to_part


def meant(*observations: str, profile: str = "one") -> pl.DataFrame:
    return pl.DataFrame(
        {"observation_id": observations, "profile_id": [profile] * len(observations)},
        schema={"observation_id": pl.String, "profile_id": pl.String},
    )


def pairs(*rows: str) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in rows], schema=["left_id", "right_id"], orient="row")


def test_a_link_is_recorded_of_the_founding_observations() -> None:
    assert pair_to_link(meant("a", "b"), meant("c", "d", profile="two")) == ("a", "c")


def test_a_link_needs_one_person_on_each_side() -> None:
    several = pl.concat([meant("a"), meant("b", profile="two")])
    with pytest.raises(UsageError, match="B: 2 profiles carry it"):
        pair_to_link(meant("c"), several)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a", "b", ["ab"]),
        ("ab", "cd", ["ac", "ad", "bc", "bd"]),
        # What carries both stays on the left,
        ("ab", "bc", ["ac", "bc"]),
        # unless the right side has nothing else.
        ("ab", "b", ["ab"]),
    ],
)
def test_the_pairs_that_an_unlink_parts(left: str, right: str, expected: list[str]) -> None:
    parted = pairs_to_part(meant(*left), meant(*right)).rows()
    assert sorted(map("".join, parted)) == expected


def test_what_is_all_the_same_cannot_be_parted() -> None:
    with pytest.raises(IdentityError, match="every observation that carries the one carries the other"):
        pairs_to_part(meant("a", "b"), meant("b", "a"))


@pytest.mark.parametrize(
    ("links", "undone"),
    [
        (["ad"], ["ad"]),
        (["da"], ["da"]),
        (["be", "ad"], ["be", "ad"]),
        # Within one part, and with somebody else.
        (["ab", "ax"], []),
    ],
)
def test_links_without_which_two_sides_share_no_evidence_are_taken_back(links: list[str], undone: list[str]) -> None:
    parts = {"a": "1", "b": "1", "c": "1", "d": "2", "e": "2", "x": "3"}
    components = pl.DataFrame(list(parts.items()), schema=["observation_id", "component_id"], orient="row")
    found = bridges(components, meant("a"), meant("e"), pairs(*links))
    assert sorted(found.rows()) == sorted(pairs(*undone).rows() if undone else [])
