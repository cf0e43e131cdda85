"""The chain of hashes: each entry's hash covers its fields and the hash of the entry before it.

An edited entry no longer fits its hash, a removed or moved one leaves its neighbours unconnected, and the head, which
the store keeps apart, tells of entries removed at the end. Who can rewrite the whole store can rewrite the chain as
well; against that helps a copy of the head's hash kept elsewhere (the anchor).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cdp.consent.statement import Entry, Statement

_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Head:
    """The last entry: its number and hash; 0 and none before the first."""

    seq: int
    entry_hash: str | None


@dataclass(frozen=True)
class Break:
    """The first place where the chain does not hold: the number of the entry that is wrong or missing."""

    seq: int
    what: str


def seal(statement: Statement, *, entry_id: str, recorded_at: datetime, after: Head) -> Entry:
    """The statement as the entry that follows `after`."""
    entry = Entry(
        seq=after.seq + 1,
        entry_id=entry_id,
        contact_point_id=statement.contact_point_id,
        contact_point_type=statement.contact_point_type,
        channel=statement.channel,
        purpose=statement.purpose,
        topic=statement.topic,
        state=statement.state,
        scope=statement.scope,
        basis=statement.basis,
        occurred_at=statement.occurred_at.astimezone(UTC),
        recorded_at=recorded_at.astimezone(UTC),
        source=statement.source,
        actor=statement.actor,
        evidence=_canonical(dict(statement.evidence)) if statement.evidence else None,
        previous_hash=after.entry_hash,
        entry_hash="",
    )
    return replace(entry, entry_hash=hash_of(entry))


def hash_of(entry: Entry) -> str:
    """sha256, in hexadecimal, of the entry's fields (without the hash itself) as canonical JSON, times as ISO 8601."""
    fields = vars(entry) | {"occurred_at": _iso(entry.occurred_at), "recorded_at": _iso(entry.recorded_at)}
    del fields["entry_hash"]
    return hashlib.sha256(_canonical(fields).encode()).hexdigest()


def first_break(entries: Iterable[Entry], head: Head, anchor: str | None = None) -> Break | None:
    """Walk the chain from its first entry to `head`; None where all of it holds, with the hash `anchor` in it."""
    last, is_anchored = Head(0, None), anchor is None
    for entry in entries:
        found = _break_at(entry, last)
        if found:
            return found
        last = Head(entry.seq, entry.entry_hash)
        is_anchored = is_anchored or entry.entry_hash == anchor
    if last.seq < head.seq:
        return Break(last.seq + 1, f"it and what follows it, up to {head.seq}, was removed")
    if last != head:
        return Break(last.seq, "the chain does not end with the entry that was recorded last")
    return None if is_anchored else Break(1, "the chain is another one: it has no entry of the hash given")


def _break_at(entry: Entry, last: Head) -> Break | None:
    if entry.seq != last.seq + 1:
        return Break(last.seq + 1, "it was removed")
    if hash_of(entry) != entry.entry_hash:
        return Break(entry.seq, "its fields are not those that were recorded")
    if entry.previous_hash != last.entry_hash:
        return Break(entry.seq, "it does not follow the entry before it")
    return None


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _canonical(value: dict[str, Any]) -> str:
    """One text for equal values: keys in order, no spaces (the part of RFC 8785 that texts and integers need)."""
    return _JSON.encode(value)
