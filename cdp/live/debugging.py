"""What became of the last payloads: for developers who ask where their events are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa

from cdp import json_text
from cdp.live.masking import masked, masked_text
from cdp.live.tables import inbox, is_repeated
from cdp.store import Connection

Outcome = Literal["accepted", "rejected", "duplicate"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
# Payloads are looked for among this many, because a search of all takes long where few are of the kind.
SEARCHED_PAYLOADS = 100_000

_IS = {
    "accepted": inbox.c.reason.is_(None),
    "rejected": inbox.c.reason.is_not(None),
    "duplicate": is_repeated,
}


@dataclass(frozen=True)
class Seen:
    """A payload and what became of it.

    seq: its number in the inbox, in order of arrival. reason, detail: why it was rejected, and which field is wrong.
    duplicates: how often its message id came again. run_id: the run that has landed it.
    """

    seq: int
    received_at: datetime
    source: str
    format: str
    message_id: str
    reason: str | None
    detail: str | None
    duplicates: int
    last_duplicate_at: datetime | None
    profile_id: str | None
    run_id: str | None
    payload: str

    @property
    def outcome(self) -> Outcome:
        return "rejected" if self.reason else "accepted"

    def document(self, *, shows_values: bool) -> dict[str, Any]:
        """The payload as a JSON document, by default without personal data."""
        content = _parsed(self.payload)
        last = self.last_duplicate_at
        return {
            "received_at": self.received_at.isoformat(),
            "source": self.source,
            "format": self.format,
            "message_id": self.message_id if shows_values else masked_text(self.message_id),
            "outcome": self.outcome,
            "reason": self.reason,
            "detail": self.detail,
            "duplicates": self.duplicates,
            "last_duplicate_at": last.isoformat() if last else None,
            "profile_id": self.profile_id,
            "run_id": self.run_id,
            "payload": content if shows_values else masked(content),
        }


_SEEN = sa.select(
    *(inbox.c[name] for name in ("seq", "received_at", "source", "format", "message_id", "reason", "detail")),
    *(inbox.c[name] for name in ("repeat_count", "repeated_at", "profile_id", "landed_run_id", "payload")),
)


def last_payloads(
    connection: Connection,
    limit: int,
    *,
    source: str | None = None,
    outcome: Outcome | None = None,
    before: int | None = None,
) -> Sequence[Seen]:
    """At most `limit` payloads, the latest first; with `before`, those that came before that number.

    They are looked for among the last `SEARCHED_PAYLOADS` before that.
    """
    newest = connection.scalar(sa.select(sa.func.max(inbox.c.seq))) if before is None else before - 1
    is_searched = inbox.c.seq.between((newest or 0) - SEARCHED_PAYLOADS + 1, newest or 0)
    found = _SEEN.where(is_searched, *_conditions(source, outcome))
    return _read(connection, found.order_by(inbox.c.seq.desc()).limit(limit))


def payloads_after(
    connection: Connection, seq: int, limit: int, *, source: str | None = None, outcome: Outcome | None = None
) -> Sequence[Seen]:
    """At most `limit` payloads after a number, the earliest first."""
    found = _SEEN.where(inbox.c.seq > seq, *_conditions(source, outcome))
    return _read(connection, found.order_by(inbox.c.seq).limit(limit))


def repeats_after(
    connection: Connection,
    at: datetime,
    seq: int,
    limit: int,
    *,
    source: str | None = None,
    outcome: Outcome | None = None,
) -> Sequence[Seen]:
    """At most `limit` payloads by their last repeat, the earliest first: after a time or, then, after a number."""
    is_later = sa.or_(inbox.c.repeated_at > at, sa.and_(inbox.c.repeated_at == at, inbox.c.seq > seq))
    found = _SEEN.where(is_repeated, is_later, *_conditions(source, outcome))
    return _read(connection, found.order_by(inbox.c.repeated_at, inbox.c.seq).limit(limit))


def _conditions(source: str | None, outcome: Outcome | None) -> list[sa.ColumnElement[bool]]:
    by_source = [inbox.c.source == source] if source is not None else []
    return by_source + ([_IS[outcome]] if outcome is not None else [])


def _read(connection: Connection, found: sa.Select[Any]) -> Sequence[Seen]:
    return [Seen(*row) for row in connection.execute(found)]


def _parsed(payload: str) -> Any:
    try:
        return json_text.loads(payload)
    except ValueError:
        return payload
