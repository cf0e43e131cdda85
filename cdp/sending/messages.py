"""Messages in the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa

from cdp.content.compiled import Compiled
from cdp.content.rendering import Inline
from cdp.sending.states import State
from cdp.sending.tables import messages
from cdp.store import Connection
from cdp.store.prepared import Prepared, among


@dataclass(frozen=True)
class Message:
    """A message, as it is stored: see `cdp/sending/tables.py`."""

    message_id: str
    client_id: str
    profile_id: str | None
    decision_id: str
    purpose: str
    state: State
    created_at: datetime
    changed_at: datetime
    parent_id: str | None = None
    campaign: str | None = None
    broadcast_id: str | None = None
    topic: str | None = None
    template: str | None = None
    template_version: str | None = None
    content: str | None = None
    data: str | None = None
    offer: str | None = None
    channel: str | None = None
    contact_point_id: str | None = None
    reason: str | None = None
    provider: str | None = None
    provider_id: str | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    deadline: datetime | None = None
    urgency: str = "normal"
    fallbacks: str | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    replied_at: datetime | None = None
    complained_at: datetime | None = None


_NAMES = tuple(field.name for field in fields(Message))
COLUMNS = tuple(messages.c[name] for name in _NAMES)

_INSERT = Prepared(messages.insert())
_BY_ID = Prepared(sa.select(*COLUMNS).where(among(messages.c.message_id, "ids")))
_RECIPIENTS = Prepared(sa.select(messages.c.profile_id).where(among(messages.c.message_id, "ids")))
# On PostgreSQL, other writers of these messages wait. SQLite has one writer at a time anyway.
_LOCKED = Prepared(sa.select(*COLUMNS).where(among(messages.c.message_id, "ids")).with_for_update())


def insert(connection: Connection, new: Sequence[Message]) -> None:
    """Write new messages."""
    _INSERT.write(connection, [vars(one) for one in new])


def messages_of(connection: Connection, ids: Collection[str], *, locked: bool = False) -> dict[str, Message]:
    """The messages with these ids, by id; `locked` within a write transaction that changes them."""
    statement = _LOCKED if locked else _BY_ID
    return {row[0]: message_of(row) for row in statement.rows(connection, ids=ids)} if ids else {}


def recipients_of(connection: Connection, ids: Collection[str]) -> Iterator[str]:
    """The profiles that these messages are to, as asked for: they may have been merged since. Read when it is begun."""
    yield from (profile_id for (profile_id,) in _RECIPIENTS.rows(connection, ids=ids) if profile_id)


def message_of(row: Sequence[object]) -> Message:
    """A row of `COLUMNS`."""
    return Message(**dict(zip(_NAMES, row, strict=True)))  # type: ignore[arg-type]


def versions_in(found: Iterable[Message]) -> set[tuple[str, str]]:
    """The versions of templates that messages are rendered from."""
    return {(one.template, one.template_version) for one in found if one.template and one.template_version}


def content_of(message: Message, versions: Mapping[tuple[str, str], Compiled]) -> Compiled | Inline | None:
    """What a message is rendered from; None if its version is not in the store."""
    if message.content:
        return Inline.model_validate_json(message.content)
    return versions.get((str(message.template), str(message.template_version)))


_CHANGED = ("state", "reason", "provider", "provider_id", "changed_at")
_REACTED = ("opened_at", "clicked_at", "replied_at", "complained_at")
_UPDATE = Prepared(
    messages.update()
    .where(messages.c.message_id == sa.bindparam("id"))
    .values({name: sa.bindparam(f"new_{name}") for name in (*_CHANGED, *_REACTED)})
)


def update(connection: Connection, changed: Sequence[Message]) -> None:
    """Write what changes of messages: state, reason, provider and reactions."""
    rows = [{"id": one.message_id, **{f"new_{name}": getattr(one, name) for name in _WRITTEN}} for one in changed]
    _UPDATE.write(connection, rows)


_WRITTEN = (*_CHANGED, *_REACTED)
