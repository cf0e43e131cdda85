"""The claims of offers in the store: who has been promised which terms."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from datetime import datetime

import sqlalchemy as sa

from cdp.decision.model import Claim
from cdp.decision.tables import offer_claims
from cdp.store import Connection
from cdp.store.prepared import Prepared, among

_KEEP = Prepared.insert_new(offer_claims)
_RELEASE = Prepared(offer_claims.delete().where(among(offer_claims.c.held_by, "holders")))
_HAND_OVER = Prepared(
    offer_claims.update()
    .where(among(offer_claims.c.held_by, "holders"), offer_claims.c.handed_over_at.is_(None))
    .values(handed_over_at=sa.bindparam("at"))
)
_TAKE_BACK = Prepared(
    offer_claims.update().where(among(offer_claims.c.held_by, "holders")).values(handed_over_at=sa.null())
)
_CLAIMS = Prepared(
    sa.select(offer_claims.c.profile_id, *(offer_claims.c[column.name] for column in fields(Claim))).where(
        among(offer_claims.c.profile_id, "ids")
    )
)


def keep_claims(connection: Connection, claims: Sequence[tuple[str, Claim]]) -> None:
    """Write the claims of people, given as (profile id, claim); one that is there already stays as it is."""
    _KEEP.write(connection, [{"profile_id": profile_id, **vars(claim)} for profile_id, claim in claims])


def release_claims(connection: Connection, holders: Sequence[str]) -> None:
    """End the claims of messages that do not go out."""
    if holders:
        _RELEASE.write(connection, [{"holders": list(holders)}])


def hand_over_claims(connection: Connection, holders: Sequence[str], now: datetime) -> None:
    """Write that the people get to know of these offers now."""
    if holders:
        _HAND_OVER.write(connection, [{"holders": list(holders)}], at=now)


def take_back_claims(connection: Connection, holders: Sequence[str]) -> None:
    """Write that the people have not got to know of these offers after all, and still may."""
    if holders:
        _TAKE_BACK.write(connection, [{"holders": list(holders)}])


def claims_of(connection: Connection, profile_ids: Collection[str]) -> Iterator[tuple[str, Claim]]:
    """The claims in the name of each profile id, also those whose offers have ended."""
    for profile_id, *claim in _CLAIMS.rows(connection, ids=profile_ids):
        yield profile_id, Claim(*claim)
