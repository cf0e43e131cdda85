"""What a steward's word on two people means for pairs of observations."""

from __future__ import annotations

from contextlib import closing

import polars as pl
import pytest

from cdp.errors import IdentityError, UsageError
from identity.decisions import bridges, links_undone, pair_to_link, pairs_to_part
from tests.identity.observations import hold_resolution, warehouse_of
from tests.identity.test_clusters import edges


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


def test_a_link_of_two_who_share_a_value_is_not_taken_back() -> None:
    """Also where the value's first holder, whom its edges lead to, is somebody else."""
    with closing(warehouse_of({})) as warehouse:
        found = pl.concat(
            [
                edges(("a", "b", 9.0), ("a", "c", 9.0), value="email"),
                *(edges((one, other, 9.0), value=one) for one, other in ("bp", "cq")),
                edges(("b", "c", 20.0), ("p", "x", 20.0), kind="steward"),
            ]
        )
        places = {**dict.fromkeys("bcpqx", "asked"), "a": "another"}
        hold_resolution(warehouse, places, found, [("a", "b", "exact"), ("a", "c", "exact")])
        sides = (meant("p", profile="asked"), meant("q", profile="asked"))
        assert links_undone(warehouse, *sides, pairs("bc", "px")).is_empty()
        assert links_undone(warehouse, sides[0], meant("x", profile="asked"), pairs("bc", "px")).rows() == [("p", "x")]
