"""The hash chain: each entry's hash covers its fields and the hash of the previous entry.

An edited entry no longer matches its hash, a removed or moved one breaks the link between its neighbours, and the head,
which the store keeps separately, reveals entries removed at the end. Anyone who can rewrite the whole store can also
rewrite the chain; a copy of the head's hash kept elsewhere (the anchor) reveals that.
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
    """The number and hash of the last entry; 0 and None while there is none."""

    seq: int
    entry_hash: str | None


@dataclass(frozen=True)
class Break:
    """The first place where the chain is broken: the number of the entry that is wrong or missing."""

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
    """SHA-256, in hexadecimal, of the entry's fields without the hash itself, as canonical JSON with ISO 8601 times."""
    fields = vars(entry) | {"occurred_at": _iso(entry.occurred_at), "recorded_at": _iso(entry.recorded_at)}
    del fields["entry_hash"]
    return hashlib.sha256(_canonical(fields).encode()).hexdigest()


def first_break(entries: Iterable[Entry], head: Head, anchor: str | None = None) -> Break | None:
    """The first break up to `head`; None if the chain is intact and contains the hash `anchor`."""
    last, is_anchored = Head(0, None), anchor is None
    for entry in entries:
        found = _break_at(entry, last)
        if found:
            return found
        last = Head(entry.seq, entry.entry_hash)
        is_anchored = is_anchored or entry.entry_hash == anchor
    if last.seq < head.seq:
        return Break(last.seq + 1, f"the entries from here up to {head.seq} were removed")
    if last != head:
        return Break(last.seq, "the chain does not end with the entry recorded last")
    return None if is_anchored else Break(1, "the chain was replaced: no entry has the given hash")


def _break_at(entry: Entry, last: Head) -> Break | None:
    if entry.seq != last.seq + 1:
        return Break(last.seq + 1, "the entry was removed")
    if hash_of(entry) != entry.entry_hash:
        return Break(entry.seq, "the fields do not match the recorded hash")
    if entry.previous_hash != last.entry_hash:
        return Break(entry.seq, "the entry does not follow the previous one")
    return None


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _canonical(value: dict[str, Any]) -> str:
    """The same text for equal values: sorted keys, no spaces (the part of RFC 8785 that strings and integers need)."""
    return _JSON.encode(value)
