"""Data stewards' decisions about identities: evidence that overrides all other. Append-only."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Literal

import polars as pl
import sqlalchemy as sa

from cdp.people.tables import steward_decisions
from cdp.store.bulk import read_frame


def add_steward_decision(
    connection: sa.Connection,
    kind: Literal["link", "unlink"],
    left_id: str,
    right_id: str,
    author: str,
    reason: str,
    now: datetime,
) -> str:
    """Record that two observations are (`link`) or are not (`unlink`) one person. Returns the decision_id."""
    decision_id = uuid.uuid4().hex
    connection.execute(
        steward_decisions.insert().values(
            decision_id=decision_id,
            kind=kind,
            left_id=left_id,
            right_id=right_id,
            author=author,
            reason=reason,
            decided_at=now,
        )
    )
    return decision_id


def known_steward_decisions(connection: sa.Connection) -> pl.DataFrame:
    """decision_id, kind, left_id, right_id, author, reason, decided_at (UTC), in order of decision."""
    names = ("decision_id", "kind", "left_id", "right_id", "author", "reason", "decided_at")
    return read_frame(connection, steward_decisions, *names).sort("decided_at", "decision_id")


def standing_steward_decisions(connection: sa.Connection) -> pl.DataFrame:
    """The last decision on each pair, in either order of its ids; columns as in `known_steward_decisions`."""
    pair = {
        "one": pl.min_horizontal("left_id", "right_id"),
        "other": pl.max_horizontal("left_id", "right_id"),
    }
    decisions = known_steward_decisions(connection).with_columns(**pair)
    return decisions.unique(["one", "other"], keep="last", maintain_order=True).drop("one", "other")
