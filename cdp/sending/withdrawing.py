"""Messages that do not go out after all: what they held is given back in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from cdp.decision.claims import release_claims
from cdp.decision.tables import decisions
from cdp.errors import CdpError, NotFound
from cdp.sending.messages import Message, messages_of, update
from cdp.sending.states import State
from cdp.store import Connection
from cdp.store.prepared import Prepared, among


class CannotCancel(CdpError):
    """The message is being sent, or has come to its end."""

    http_status = 409
    code = "cannot_cancel"


_RELEASE = Prepared(
    decisions.update()
    .where(among(decisions.c.decision_id, "ids"), decisions.c.outcome.is_(None))
    .values(outcome=sa.literal_column("'not_sent'"), outcome_at=sa.bindparam("at"))
)


def give_back(connection: Connection, unsent: Sequence[Message], now: datetime) -> None:
    """Messages that were never sent no longer count against caps, and their offers are free."""
    if unsent:
        _RELEASE.write(connection, [{"ids": [one.decision_id for one in unsent]}], at=now)
        release_claims(connection, [one.message_id for one in unsent if one.offer])


def withdraw(
    connection: Connection, queued: Sequence[Message], state: State, reason: str | None, now: datetime
) -> list[Message]:
    """Take back messages that wait, within a write transaction; return them as they are then."""
    changed = [replace(one, state=state, reason=reason, changed_at=now) for one in queued]
    update(connection, changed)
    give_back(connection, changed, now)
    return changed


def cancel(connection: Connection, message_id: str, client_id: str, now: datetime) -> Message:
    """Cancel a message of a client's that waits, within a write transaction. Cancelling again changes nothing.

    Raises:
        NotFound: the client has sent no such message.
        CannotCancel: it is being sent, or has come to its end.
    """
    found = messages_of(connection, [message_id], locked=True).get(message_id)
    if found is None or found.client_id != client_id:
        raise NotFound("There is no message with this id that this client has sent")
    if found.state == "cancelled":
        return found
    if found.state != "queued":
        raise CannotCancel(f"the message is {found.state}", hint="Only a message that waits can be cancelled")
    [cancelled] = withdraw(connection, [found], "cancelled", None, now)
    return cancelled


def supersede(connection: Connection, holders: Sequence[str], now: datetime) -> Mapping[str, Message]:
    """Take back those of the messages that still wait, because a newer offer stands instead; return them by id."""
    found = messages_of(connection, holders, locked=True).values()
    waiting = [one for one in found if one.state == "queued"]
    return {one.message_id: one for one in withdraw(connection, waiting, "cancelled", "superseded", now)}
