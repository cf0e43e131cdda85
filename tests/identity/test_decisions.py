"""Stewards' decisions on two people as pairs of observations."""

from __future__ import annotations

from contextlib import closing

import polars as pl
import pytest

from cdp.errors import IdentityError, UsageError
from identity.decisions import bridges, overridden_links, pair_to_link, pairs_to_unlink
from tests.identity.observations import hold_resolution, warehouse_of
from tests.identity.test_clusters import edges


def side(*observations: str, profile: str = "one") -> pl.DataFrame:
    return pl.DataFrame(
        {"observation_id": observations, "profile_id": [profile] * len(observations)},
        schema={"observation_id": pl.String, "profile_id": pl.String},
    )


def pairs(*rows: str) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in rows], schema=["left_id", "right_id"], orient="row")


def test_a_link_is_recorded_for_the_best_observations() -> None:
    assert pair_to_link(side("a", "b"), side("c", "d", profile="two")) == ("a", "c")


def test_a_link_needs_one_person_on_each_side() -> None:
    several = pl.concat([side("a"), side("b", profile="two")])
    with pytest.raises(UsageError, match="B: found in 2 profiles"):
        pair_to_link(side("c"), several)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a", "b", ["ab"]),
        ("ab", "cd", ["ac", "ad", "bc", "bd"]),
        # An observation on both sides stays on the left,
        ("ab", "bc", ["ac", "bc"]),
        # unless the right side has nothing else.
        ("ab", "b", ["ab"]),
    ],
)
def test_an_unlink_separates_these_pairs(left: str, right: str, expected: list[str]) -> None:
    pairs_apart = pairs_to_unlink(side(*left), side(*right)).rows()
    assert sorted(map("".join, pairs_apart)) == expected


def test_identical_sides_cannot_be_unlinked() -> None:
    with pytest.raises(IdentityError, match="every observation with the one also has the other"):
        pairs_to_unlink(side("a", "b"), side("b", "a"))


@pytest.mark.parametrize(
    ("links", "overridden"),
    [
        (["ad"], ["ad"]),
        (["da"], ["da"]),
        (["be", "ad"], ["be", "ad"]),
        # Within one part, and to a third part.
        (["ab", "ax"], []),
    ],
)
def test_links_that_alone_connect_two_sides_are_overridden(links: list[str], overridden: list[str]) -> None:
    parts = {"a": "1", "b": "1", "c": "1", "d": "2", "e": "2", "x": "3"}
    components = pl.DataFrame(list(parts.items()), schema=["observation_id", "component_id"], orient="row")
    found = bridges(components, side("a"), side("e"), pairs(*links))
    assert sorted(found.rows()) == sorted(pairs(*overridden).rows() if overridden else [])


def test_a_link_of_two_who_share_a_value_is_not_overridden() -> None:
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
        sides = (side("p", profile="asked"), side("q", profile="asked"))
        assert overridden_links(warehouse, *sides, pairs("bc", "px")).is_empty()
        assert overridden_links(warehouse, sides[0], side("x", profile="asked"), pairs("bc", "px")).rows() == [
            ("p", "x")
        ]
