"""What payloads amount to once they are conformed: items, and the observations of people that these make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Item(NamedTuple):
    """What an item of a payload amounts to; `reason` says why it is refused. The columns are those of `items.sql`."""

    position: int
    reason: str | None
    observation_id: str | None
    event_id: str | None
    channel: str | None
    event_type: str | None
    occurred_at: datetime
    message_ref: str | None
    is_machine: bool
    properties: str | None
    consent_id: str | None
    consent_channel: str | None
    consent_purpose: str
    consent_topic: str | None
    consent_state: str | None
    consent_scope: str
    consent_basis: str | None
    consent_method: str | None
    consent_at: datetime | None


@dataclass(frozen=True)
class Observation:
    """A description of a person: its identifiers as (type, value), and all of it as JSON text."""

    observation_id: str
    identifiers: tuple[tuple[str, str], ...]
    description: str


@dataclass(frozen=True)
class Conformed:
    """items: at least one a payload that could be read, in their order. observations: by id, those of the items."""

    items: Sequence[Item]
    observations: Mapping[str, Observation]
