"""Conformed payloads: items, and the observations of people in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Item(NamedTuple):
    """A conformed item of a payload. The columns are those of `items.sql`.

    reason: why it is refused. detail: which field is wrong; never a value.
    """

    position: int
    reason: str | None
    detail: str | None
    observation_id: str | None
    event_id: str | None
    channel: str | None
    event_type: str | None
    occurred_at: datetime
    message_ref: str | None
    message_id: str | None
    is_machine: bool
    is_claim: bool
    credential: str | None
    properties: str | None
    products: str | None
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
    """A description of a person: its identifiers as (type, value), and the whole description as JSON text."""

    observation_id: str
    identifiers: tuple[tuple[str, str], ...]
    description: str


@dataclass(frozen=True)
class Conformed:
    """The result of conforming payloads.

    items: at least one for each readable payload, in their order.
    observations: the observations of the items, by id.
    """

    items: Sequence[Item]
    observations: Mapping[str, Observation]
