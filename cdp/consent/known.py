"""All consents and suppressions in the store, as frames: a run computes everyone's state at once."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from cdp.consent.tables import consent_ledger, contact_points, suppressions
from cdp.store.bulk import frame_of, read_frame


@dataclass(frozen=True)
class KnownConsents:
    """entries: entry_id, contact_point_id, contact_point_type, channel, topic, state, scope, occurred_at, recorded_at,
        of one purpose.
    suppressions: contact_point_id, channel, reason, occurred_at, lifted_at.
    contact_points: contact_point_id, type, value.
    """

    entries: pl.DataFrame
    suppressions: pl.DataFrame
    contact_points: pl.DataFrame


ENTRY_COLUMNS = (
    *("entry_id", "contact_point_id", "contact_point_type", "channel", "topic", "state", "scope"),
    *("occurred_at", "recorded_at"),
)
SUPPRESSION_COLUMNS = ("contact_point_id", "channel", "reason", "occurred_at", "lifted_at")
CONTACT_POINT_COLUMNS = ("contact_point_id", "type", "value")


def known_consents(connection: sa.Connection, purpose: str) -> KnownConsents:
    """The ledger entries for a purpose, all suppressions, and the contact points they refer to."""
    chosen = sa.select(*(consent_ledger.c[name] for name in ENTRY_COLUMNS)).where(consent_ledger.c.purpose == purpose)
    return KnownConsents(
        entries=frame_of(connection, chosen),
        suppressions=read_frame(connection, suppressions, *SUPPRESSION_COLUMNS),
        contact_points=read_frame(connection, contact_points, *CONTACT_POINT_COLUMNS),
    )
