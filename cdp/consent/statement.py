"""The vocabulary of consent: contact points, statements, ledger entries, suppressions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cdp.ids import crockford

_REST_OF_A_SECOND = timedelta(seconds=1) - timedelta.resolution

# The states that withhold consent.
OPT_OUTS = ("denied", "withdrawn")
# The channel of a suppression that applies to all channels.
EVERY_CHANNEL = "all"


def end_of(moment: datetime) -> datetime:
    """The end of a moment. One in whole seconds is a second long: many sources know no finer time.

    What withholds consent counts as of its end, so that it is not outdone by a grant that it cannot be told apart from.
    """
    return moment + _REST_OF_A_SECOND if moment.microsecond == 0 else moment


def contact_point_id(kind: str, value: str) -> str:
    """`cpt_` and 26 Crockford characters: the first 128 bits of sha256(type, NUL, normalised value)."""
    digest = hashlib.sha256(f"{kind}\0{value}".encode()).digest()
    return f"cpt_{crockford(int.from_bytes(digest[:16]))}"


@dataclass(frozen=True)
class ContactPoint:
    """Where a person can be reached; `value` is normalised, a customer_id carries its source (`shopify:1234`)."""

    type: str
    value: str

    @property
    def id(self) -> str:
        return contact_point_id(self.type, self.value)


@dataclass(frozen=True)
class Statement:
    """A statement about consent that is not recorded yet.

    channel, purpose, state, scope: values from `cdp/fields.py`.
    entry_id: set if the same statement may arrive again, such as from a log; generated otherwise.
    actor: the author of the statement: a client's id, a source's name, or `person`.
    evidence: the proof (notice, method, URL, truncated IP, user agent, message id), free of addresses.
    """

    contact_point_id: str
    contact_point_type: str
    channel: str
    purpose: str
    state: str
    occurred_at: datetime
    source: str
    actor: str
    topic: str | None = None
    scope: str = "channel"
    basis: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    entry_id: str | None = None


@dataclass(frozen=True)
class Entry:
    """A statement in the ledger; `evidence` is JSON text, `entry_hash` covers every other field."""

    seq: int
    entry_id: str
    contact_point_id: str
    contact_point_type: str
    channel: str
    purpose: str
    topic: str | None
    state: str
    scope: str
    basis: str | None
    occurred_at: datetime
    recorded_at: datetime
    source: str
    actor: str
    evidence: str | None
    previous_hash: str | None
    entry_hash: str


@dataclass(frozen=True)
class Suppression:
    """A ban on messages to a contact point on a channel, regardless of consent.

    reason: stop, complaint, hard_bounce or erased.
    entry_id: the ledger entry or the event behind it.
    occurred_at, lifted_at: the latest known time of each, so that the order of arrival does not matter.
    """

    contact_point_id: str
    channel: str
    reason: str
    source: str
    occurred_at: datetime | None
    lifted_at: datetime | None = None
    entry_id: str | None = None
    lifted_by: str | None = None

    def is_active(self, as_of: datetime) -> bool:
        """Whether it is in force at `as_of`. If it occurred and was lifted at the same moment, it is in force."""
        if self.occurred_at is None or self.occurred_at > as_of:
            return False
        if self.lifted_at is None or self.lifted_at > as_of:
            return True
        return self.lifted_at <= end_of(self.occurred_at)


@dataclass(frozen=True)
class Lift:
    """The end of a suppression: from `lifted_at` on, until its reason occurs again.

    lifted_by: the source that reported it, or a steward's name.
    """

    contact_point_id: str
    channel: str
    reason: str
    lifted_by: str
    lifted_at: datetime
