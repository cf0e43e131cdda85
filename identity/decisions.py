"""What a steward's word about two people means for pairs of observations, which is what a decision is recorded of."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from cdp.errors import IdentityError, UsageError
from cdp.warehouse import Warehouse
from identity.chain import Evidence, evidence_in_force
from identity.clusters import connected_components
from identity.references import current_members


def pair_to_link(left: pl.DataFrame, right: pl.DataFrame) -> tuple[str, str]:
    """The two observations to record a link of: of each side the one that says most, founding one first.

    What is linked is a person, and constraints look at names and birthdays: a link between two that say neither would
    leave those out that do.

    Args:
        left, right: the observations to choose from, best first: observation_id, profile_id.

    Raises:
        UsageError: a side stands in several profiles, or both are one already.
    """
    for side, name in ((left, "A"), (right, "B")):
        profiles = side["profile_id"].n_unique()
        if profiles > 1:
            raise UsageError(
                f"{profiles} profiles carry it", where=name, hint="Name one of them, or an observation of it"
            )
    one, other = left["observation_id"][0], right["observation_id"][0]
    if one == other:
        raise UsageError(
            "they are one person already", where="A and B", hint="Name two observations to hold these together"
        )
    return one, other


def pairs_to_part(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """The pairs of observations that must not share a profile, so that the two sides do not: left_id, right_id.

    What both sides mean stays with the left one, as long as that leaves the right one something of its own.

    Args:
        left, right: the observations meant: observation_id, profile_id.

    Raises:
        UsageError: both sides mean the same profile.
        IdentityError: both sides mean the same observations, so there is nothing to part.
    """
    one, other = left.select("observation_id"), right.select("observation_id")
    only_right = other.join(one, on="observation_id", how="anti")
    only_left = one.join(other, on="observation_id", how="anti")
    if only_right.is_empty() and only_left.is_empty():
        raise IdentityError(
            "every observation that carries the one carries the other",
            where="A and B",
            hint="Their sources say that it is one person: correct it there, or name two observations",
        )
    sides = (one, only_right) if not only_right.is_empty() else (only_left, other)
    return sides[0].select(left_id="observation_id").join(sides[1].select(right_id="observation_id"), how="cross")


def links_undone(warehouse: Warehouse, left: pl.DataFrame, right: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """The stewards' links without which the two sides would share no evidence: left_id, right_id.

    Args:
        left, right: the observations meant: observation_id, profile_id.
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
    """The links that lead from a part that holds some of `left` to another that holds some of `right`.

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
