"""Whom a user means: a profile id, an observation id or an identifier, as given on a command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from cdp.errors import NotFound, UsageError
from cdp.fields import IDENTIFIER_TYPES, ObservationId, ProfileId
from cdp.normalise import normalise_identifiers
from cdp.warehouse import Warehouse
from identity.sql import statement

LOOKS_LIKE_A_PHONE = re.compile(r"\+?[\d\s()./-]{5,}")


@dataclass(frozen=True)
class Reference:
    """kind: profile, observation or a type of identifier. value: the id, or the identifier as normalised.

    position: how the user's command calls it, for errors, which must not repeat an address.
    """

    kind: str
    value: str
    position: str


def parse(text: str, position: str, default_region: str) -> Reference:
    """Read `prf_…`, an observation id, `type:value`, or a bare e-mail address or phone number.

    Raises:
        UsageError: it is none of these.
    """
    kind, colon, value = text.partition(":")
    if colon and kind in IDENTIFIER_TYPES:
        return _identifier(kind, value, position, default_region)
    if re.fullmatch(ProfileId.pattern or "", text):
        return Reference("profile", text, position)
    if re.fullmatch(ObservationId.pattern or "", text):
        return Reference("observation", text, position)
    if "@" in text:
        return _identifier("email", text, position, default_region)
    if LOOKS_LIKE_A_PHONE.fullmatch(text):
        return _identifier("phone", text, position, default_region)
    raise UsageError(
        "neither an id nor an identifier",
        where=position,
        hint=f"Give a profile id, an observation id, or TYPE:VALUE with one of {', '.join(IDENTIFIER_TYPES)}",
    )


def _identifier(kind: str, text: str, position: str, default_region: str) -> Reference:
    (value,) = normalise_identifiers(kind, [text], default_region)
    if value is None:
        raise UsageError(f"not a valid {kind}", where=position)
    return Reference(kind, value, position)


def observations_meant(warehouse: Warehouse, reference: Reference) -> pl.DataFrame:
    """The observations that a reference means, founding one first: observation_id, profile_id (where it is now).

    A retired profile id means the observations that were in it. No rows where nothing is known by the reference.
    """
    return warehouse.query(statement("members_meant"), {"kind": reference.kind, "value": reference.value})


def members_meant(warehouse: Warehouse, reference: Reference) -> pl.DataFrame:
    """As `observations_meant`, at least one.

    Raises:
        NotFound: there is none.
    """
    found = observations_meant(warehouse, reference)
    if found.is_empty():
        raise NotFound(
            f"unknown {reference.kind.replace('_', ' ')}",
            where=reference.position,
            hint="`cdp sql` can look for it in conformed.observations",
        )
    return found


def people_meant(warehouse: Warehouse, reference: Reference) -> pl.DataFrame:
    """The observations of the profiles that a reference means, those that say most first: observation_id, profile_id.

    An observation id means that observation and no other.

    Raises:
        NotFound: there is none.
    """
    found = members_meant(warehouse, reference)
    if reference.kind == "observation":
        return found
    with warehouse.frame("asked", found.select("profile_id").unique()):
        return warehouse.query(statement("people_meant"))


def current_members(warehouse: Warehouse, profiles: pl.Series) -> pl.DataFrame:
    """The observations that make up profiles now, by id: observation_id, profile_id."""
    with warehouse.frame("asked", pl.DataFrame({"profile_id": profiles.unique()})):
        return warehouse.query(
            "select observation_id, profile_id from identity.members semi join asked using (profile_id) "
            "where valid_to_run is null order by observation_id"
        )
