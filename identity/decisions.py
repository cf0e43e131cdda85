"""A steward's decision about two people, as the pairs of observations that it is recorded for."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from cdp.errors import IdentityError, UsageError
from cdp.warehouse import Warehouse
from identity.chain import Evidence, evidence_in_force
from identity.clusters import connected_components
from identity.references import current_members


def pair_to_link(left: pl.DataFrame, right: pl.DataFrame) -> tuple[str, str]:
    """The two observations to record a link for: the best of each side.

    A link is meant to join people, and constraints check names and birthdays: linking two observations with neither
    could leave out those that have them.

    Args:
        left, right: the observations to choose from, best first: observation_id, profile_id.

    Raises:
        UsageError: a side spans several profiles, or both sides are the same observation.
    """
    for side, name in ((left, "A"), (right, "B")):
        profiles = side["profile_id"].n_unique()
        if profiles > 1:
            raise UsageError(
                f"found in {profiles} profiles", where=name, hint="Name one of the profiles, or one of its observations"
            )
    one, other = left["observation_id"][0], right["observation_id"][0]
    if one == other:
        raise UsageError(
            "already the same person", where="A and B", hint="Name two observations to keep these together"
        )
    return one, other


def pairs_to_unlink(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """The pairs of observations to keep apart so that the two sides do not share a profile: left_id, right_id.

    Observations on both sides stay with the left one, unless that would leave the right one empty.

    Args:
        left, right: the observations of each side: observation_id, profile_id.

    Raises:
        IdentityError: both sides are the same observations, so there is nothing to separate.
    """
    one, other = left.select("observation_id"), right.select("observation_id")
    only_right = other.join(one, on="observation_id", how="anti")
    only_left = one.join(other, on="observation_id", how="anti")
    if only_right.is_empty() and only_left.is_empty():
        raise IdentityError(
            "every observation with the one also has the other",
            where="A and B",
            hint="The sources say that this is one person: correct them, or name two observations",
        )
    sides = (one, only_right) if not only_right.is_empty() else (only_left, other)
    return sides[0].select(left_id="observation_id").join(sides[1].select(right_id="observation_id"), how="cross")


def overridden_links(
    warehouse: Warehouse, left: pl.DataFrame, right: pl.DataFrame, links: pl.DataFrame
) -> pl.DataFrame:
    """The stewards' links that alone connect the two sides, which an unlink overrides: left_id, right_id.

    Args:
        left, right: the observations of each side: observation_id, profile_id.
        links: the stewards' links in force: left_id, right_id.
    """
    profiles = pl.concat([left["profile_id"], right["profile_id"]]).unique()
    members = current_members(warehouse, profiles)["observation_id"]
    evidence = [one for profile_id in profiles for one in evidence_in_force(warehouse, profile_id)]
    return bridges(connected_components(members, _pairs(evidence)), left, right, links)


def _pairs(evidence: Iterable[Evidence]) -> pl.DataFrame:
    """What joins observations without a steward's word, as left_id, right_id."""
    pairs = [
        (one.observations[0], other) for one in evidence if one.kind != "steward" for other in one.observations[1:]
    ]
    return pl.DataFrame(pairs, schema={"left_id": pl.String, "right_id": pl.String}, orient="row")


def bridges(parts: pl.DataFrame, left: pl.DataFrame, right: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """The links between a part with observations of `left` and another part with observations of `right`.

    Args:
        parts: observation_id, component_id.
        left, right: observation_id.
        links: left_id, right_id.
    """
    one, other = pl.col("component_id"), pl.col("component_id_right")
    of_left, of_right = (
        parts.join(side, on="observation_id", how="semi")["component_id"].unique().to_list() for side in (left, right)
    )
    return (
        links.join(parts, left_on="left_id", right_on="observation_id")
        .join(parts, left_on="right_id", right_on="observation_id")
        .filter(one != other)
        .filter((one.is_in(of_left) & other.is_in(of_right)) | (one.is_in(of_right) & other.is_in(of_left)))
        .select("left_id", "right_id")
    )
