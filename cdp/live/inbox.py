"""The inbox: payloads received over HTTP, stored durably before the response, until a run has landed them.

A landed row is kept for some time, because its message id identifies redeliveries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from cdp.live.tables import inbox
from cdp.store.bulk import delete_first, frame_of, insert_new
from cdp.store.prepared import Prepared, Value

ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Arrival:
    """A payload to store.

    profile_id: the profile it was resolved to. reason, detail: why it is refused, and which field is wrong.
    """

    message_id: str
    payload: str
    profile_id: str | None = None
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Batch:
    """Unlanded rows of one source: seq, payload, received_at (UTC)."""

    source: str
    format: str
    rows: pl.DataFrame

    def without(self, landed: pl.DataFrame) -> Batch:
        """The rows that are not among `landed` (source, seq, received_at).

        The time distinguishes a row from one with the same number in a store that was lost since.
        """
        same = landed.filter(pl.col("source") == self.source)
        return replace(self, rows=self.rows.join(same, on=["seq", "received_at"], how="anti", maintain_order="left"))


def put(
    connection: sa.Connection, source: str, format: str, arrivals: Sequence[Arrival], received_at: datetime
) -> Mapping[str, int]:
    """Store payloads in their order; return the number (`seq`) of each new one, by message id.

    A payload whose message id the source has used before is ignored, but counted as a repeat of the first.
    """
    rows = [
        {
            "source": source,
            "format": format,
            "message_id": arrival.message_id,
            "payload": arrival.payload,
            "received_at": received_at,
            "profile_id": arrival.profile_id,
            "reason": arrival.reason,
            "detail": arrival.detail,
        }
        for arrival in arrivals
    ]
    added = insert_new(connection, inbox, rows, inbox.c.message_id, inbox.c.seq)
    new = {row.message_id: row.seq for row in added}
    _count_repeats(connection, source, Counter(arrival.message_id for arrival in arrivals) - Counter(new), received_at)
    return new


_REPEAT = Prepared(
    inbox.update()
    .where(inbox.c.source == sa.bindparam("of_source"), inbox.c.message_id == sa.bindparam("id"))
    .values(repeat_count=inbox.c.repeat_count + sa.bindparam("count"), repeated_at=sa.bindparam("at"))
)


def _count_repeats(connection: sa.Connection, source: str, repeats: Mapping[str, int], at: datetime) -> None:
    # In a fixed order, so that transactions that repeat the same payloads do not deadlock.
    rows: list[Mapping[str, Value]] = [{"id": one, "count": count} for one, count in sorted(repeats.items())]
    _REPEAT.write(connection, rows, of_source=source, at=at)


def holds(connection: sa.Connection, source: str, arrival: Arrival) -> bool:
    """Whether the payload that the source sent under this message id is this one."""
    is_it = sa.and_(inbox.c.source == source, inbox.c.message_id == arrival.message_id)
    return connection.scalar(sa.select(inbox.c.payload).where(is_it)) == arrival.payload


def has_unlanded(connection: sa.Connection) -> bool:
    """Whether there are payloads for a run to land."""
    return connection.scalar(sa.select(inbox.c.seq).where(_UNLANDED).limit(1)) is not None


def depth(connection: sa.Connection) -> int:
    """The number of payloads that no run has landed yet."""
    return connection.scalar(sa.select(sa.func.count()).where(_UNLANDED)) or 0


def unlanded(connection: sa.Connection) -> Iterator[Batch]:
    """The payloads that no run has landed yet, by source, in order of arrival, at most `ROWS_AT_ONCE` at a time."""
    kinds = sa.select(inbox.c.source, inbox.c.format).where(_UNLANDED).distinct().order_by("source", "format")
    for source, format in connection.execute(kinds).all():
        last = -1
        while not (rows := _after(connection, source, format, last)).is_empty():
            yield Batch(source, format, rows)
            last = int(rows["seq"][-1])


_UNLANDED = inbox.c.landed_run_id.is_(None)


def _after(connection: sa.Connection, source: str, format: str, seq: int) -> pl.DataFrame:
    found = (
        sa.select(inbox.c.seq, inbox.c.payload, inbox.c.received_at)
        .where(_UNLANDED, inbox.c.source == source, inbox.c.format == format, inbox.c.seq > seq)
        .order_by(inbox.c.seq)
        .limit(ROWS_AT_ONCE)
    )
    return frame_of(connection, found)


def mark_landed(connection: sa.Connection, rows: pl.DataFrame, run_id: str) -> list[tuple[int, int]]:
    """Mark `rows` (source, seq, received_at) as landed by a run.

    Returns the rows that were not marked before, as ranges of their numbers: (first, last).
    """
    if rows.is_empty():
        return []
    chosen = sa.select(inbox.c.source, inbox.c.seq, inbox.c.received_at).where(_UNLANDED).order_by(inbox.c.seq)
    waiting = frame_of(connection, chosen)
    landed = waiting.join(rows, on=["source", "seq", "received_at"], how="semi", maintain_order="left")
    ranges = _ranges(landed["seq"])
    if ranges:
        is_among = inbox.c.seq.between(sa.bindparam("first"), sa.bindparam("last"))
        connection.execute(
            inbox.update().where(is_among).values(landed_run_id=run_id),
            [{"first": first, "last": last} for first, last in ranges],
        )
    return ranges


def _ranges(numbers: pl.Series) -> list[tuple[int, int]]:
    """Sorted numbers as ranges without gaps. A row in a gap may have been committed since."""
    gaps = pl.int_range(pl.len()) - pl.col("seq")
    ranges = numbers.to_frame("seq").group_by(gaps, maintain_order=True)
    return ranges.agg(first=pl.col("seq").first(), last=pl.col("seq").last()).select("first", "last").rows()


def forget_landed(connection: sa.Connection, received_before: datetime, most: int) -> int:
    """Delete at most `most` old landed rows, whose payloads are in landing; return the number deleted."""
    is_old = sa.and_(inbox.c.landed_run_id.is_not(None), inbox.c.received_at < received_before)
    return delete_first(connection, inbox, is_old, most)
