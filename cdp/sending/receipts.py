"""Receipts: what providers report of messages, as their sources conform it.

A receipt is matched by our own id, which travels in the provider's field for it, or else by the provider's id. Some
providers say of no message in particular that all until a time have arrived or been read: that is a receipt for each of
them. Only the provider that a message was handed over to can report on it. Every receipt is kept, also one that changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cdp.channels import MESSAGE_CHANNELS
from cdp.sending.messages import COLUMNS, Message, message_of, messages_of, update
from cdp.sending.planning import try_next
from cdp.sending.states import FAILED, REACTIONS, RECEIPTS, after_receipt
from cdp.sending.tables import message_attempts, message_reports, messages
from cdp.store import Connection
from cdp.store.prepared import Prepared, among


@dataclass(frozen=True)
class Extent:
    """The messages to a person's contact point that a provider had taken by a time."""

    profile_id: str
    contact_point_id: str
    until: datetime


@dataclass(frozen=True)
class Receipt:
    """A report by `provider` about a message: by our id, if it carries it, or by its own; or about an extent."""

    provider: str
    event_id: str
    event_type: str
    channel: str
    occurred_at: datetime
    message_id: str | None = None
    provider_id: str | None = None
    extent: Extent | None = None

    @property
    def is_about_a_message(self) -> bool:
        has_id = self.message_id is not None or self.provider_id is not None
        return has_id and self.event_type in RECEIPTS and self.channel in MESSAGE_CHANNELS


_BY_PROVIDER_ID = Prepared(
    sa.select(*COLUMNS)
    .where(messages.c.provider == sa.bindparam("provider"), among(messages.c.provider_id, "ids"))
    .with_for_update()
)
_REPORTED = Prepared(sa.select(message_reports.c.event_id).where(among(message_reports.c.event_id, "ids")))
_REPORT_COLUMNS = ("message_id", "event_id", "event_type", "occurred_at", "received_at", "state")
_REPORT = Prepared(message_reports.insert().values({name: sa.bindparam(name) for name in _REPORT_COLUMNS}))


def record(connection: Connection, receipts: Iterable[Receipt], received_at: datetime) -> None:
    """Move the messages that receipts are about, within a write transaction. A receipt counts once."""
    receipts = list(receipts)
    about = [one for one in receipts if one.is_about_a_message]
    about += _of_each(connection, [one for one in receipts if one.extent and one.event_type in RECEIPTS])
    if not about:
        return
    found = _found(connection, about)
    known = {row[0] for row in _REPORTED.rows(connection, ids=[one.event_id for one in about])}
    before = {one.message_id: one for one in found.values()}
    after = dict(before)
    reports: list[Mapping[str, Any]] = []
    for one in about:
        message = found.get(one.event_id)
        if message is None or one.event_id in known:
            continue
        known.add(one.event_id)
        after[message.message_id] = moved(after[message.message_id], one, received_at)
        reports.append(_report(message.message_id, one, after[message.message_id], received_at))
    changed = [one for one in after.values() if one != before[one.message_id]]
    update(connection, changed)
    _REPORT.write(connection, reports)
    failed = [one for one in changed if one.state in FAILED and before[one.message_id].state not in FAILED]
    try_next(connection, failed, received_at)


_TAKEN = Prepared(
    sa.select(*COLUMNS, message_attempts.c.ended_at)
    .join(message_attempts, message_attempts.c.message_id == messages.c.message_id)
    .where(
        among(messages.c.profile_id, "ids"),
        message_attempts.c.provider == messages.c.provider,
        message_attempts.c.outcome == "accepted",
        messages.c.opened_at.is_(None),
    )
)


def _of_each(connection: Connection, receipts: Sequence[Receipt]) -> Iterator[Receipt]:
    """A receipt for each message of an extent that it says something new of."""
    if not receipts:
        return
    rows = _TAKEN.rows(connection, ids={one.extent.profile_id for one in receipts if one.extent})
    taken = [(message_of(row[:-1]), row[-1]) for row in rows]
    for one in receipts:
        for message, taken_at in taken:
            if _covers(one, message, taken_at):
                event_id = f"{one.event_id}:{message.message_id}"
                yield replace(one, event_id=event_id, message_id=message.message_id, extent=None)


def _covers(receipt: Receipt, message: Message, taken_at: datetime) -> bool:
    extent = receipt.extent
    assert extent
    is_meant = (message.provider, message.contact_point_id) == (receipt.provider, extent.contact_point_id)
    is_news = receipt.event_type in REACTIONS or after_receipt(message.state, receipt.event_type) != message.state
    return is_meant and is_news and taken_at <= extent.until


def moved(message: Message, receipt: Receipt, received_at: datetime) -> Message:
    """The message after a receipt; the earliest time of a reaction stands."""
    state = after_receipt(message.state, receipt.event_type)
    if state != message.state:
        reason = receipt.event_type if state in FAILED else None
        message = replace(message, state=state, reason=reason, changed_at=received_at)
    name = f"{receipt.event_type}_at"
    if receipt.event_type in REACTIONS and receipt.occurred_at < (getattr(message, name) or _NEVER):
        reacted: dict[str, Any] = {name: receipt.occurred_at}
        message = replace(message, **reacted)
    return message


_NEVER = datetime.max.replace(tzinfo=UTC)


def _found(connection: Connection, receipts: Sequence[Receipt]) -> dict[str, Message]:
    """The message of each receipt, by event id."""
    by_id = messages_of(connection, {one.message_id for one in receipts if one.message_id}, locked=True)
    found = {
        one.event_id: message
        for one in receipts
        if (message := by_id.get(one.message_id or "")) and message.provider == one.provider
    }
    rest = [one for one in receipts if one.event_id not in found and one.provider_id]
    for provider in {one.provider for one in rest}:
        ids = {str(one.provider_id) for one in rest if one.provider == provider}
        rows = _BY_PROVIDER_ID.rows(connection, provider=provider, ids=ids)
        by_provider_id = {one.provider_id: one for one in map(message_of, rows)}
        for one in rest:
            if one.provider == provider and one.provider_id in by_provider_id:
                found[one.event_id] = by_provider_id[one.provider_id]
    return found


def _report(message_id: str, receipt: Receipt, after: Message, received_at: datetime) -> Mapping[str, Any]:
    return {
        "message_id": message_id,
        "event_id": receipt.event_id,
        "event_type": receipt.event_type,
        "occurred_at": receipt.occurred_at,
        "received_at": received_at,
        "state": after.state,
    }
