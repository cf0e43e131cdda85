"""Fallbacks: the next channel, if a message failed or stayed silent.

A decision names the next channels with their times and conditions. When a message is handed over, its next channel is
enqueued for its time, and brought forward if the message fails. When the time has come, the message is looked at again:
a delivery in the meantime ends it. Each fallback is a message of its own, with a decision of its own, once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
import structlog

from cdp.content.compiled import Compiled
from cdp.content.model import Offer
from cdp.content.rendering import Inline
from cdp.errors import InputRefused
from cdp.sending.accepting import Asking, Wanted, accept, asking
from cdp.sending.broadcasts import LOOK_AT_PAUSED, states_among
from cdp.sending.messages import Message, content_of, messages_of, versions_in
from cdp.sending.planning import FALLBACK, plan_of, try_next
from cdp.sending.states import FINAL
from cdp.sending.tables import messages
from cdp.sending.tools import Tools
from cdp.store import Connection
from cdp.store.prepared import Prepared, among
from cdp.work import Batch, Kind

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

# After these, no other channel is tried: the person has got it, or is not to get it.
_ENDED = ("delivered", "cancelled", "suppressed")
_FOLLOWED = Prepared(sa.select(messages.c.parent_id).where(among(messages.c.parent_id, "ids")))


class Fallbacks:
    """Sends messages on their next channel."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def kind(self) -> Kind:
        return Kind(FALLBACK, self.handle, batch_size=50)

    def handle(self, batch: Batch) -> None:
        """Try the next channel of the messages that still need it, each once."""
        with batch.settling() as settling:
            connection, now = settling.connection, batch.clock()
            found = messages_of(connection, [item.key for item in settling.items], locked=True)
            followed = {row[0] for row in _FOLLOWED.rows(connection, ids=found)}
            states = states_among(connection, (one.broadcast_id for one in found.values() if one.broadcast_id))
            for item in settling.items:
                if item.key in found and states.get(found[item.key].broadcast_id or "") == "paused":
                    settling.again(item, now + LOOK_AT_PAUSED)
            due = [
                one
                for one in found.values()
                if one.message_id not in followed
                and states.get(one.broadcast_id or "") not in ("paused", "cancelled")
                and _needs_next(one, now)
            ]
            versions = self._tools.versions.of(connection, versions_in(due))
            sendable = self._tools.post.channels
            wanted = [next_of(one, content, sendable) for one in due if (content := content_of(one, versions))]
            self._send(connection, [one for one in wanted if one], now)

    def _send(self, connection: Connection, wanted: Sequence[Wanted], now: datetime) -> None:
        asked = [found for one in wanted if (found := self._asking(one, now))]
        sent = [message for message, _ in accept(connection, asked, self._tools.policy, now)]
        # Where a gate refuses the next channel, the one after it is tried at once.
        try_next(connection, [one for one in sent if one.state == "refused"], now)

    def _asking(self, wanted: Wanted, now: datetime) -> Asking | None:
        """The question that a fallback asks; none if policy or templates have changed so that it cannot be sent."""
        tools = self._tools
        try:
            return asking(wanted, tools.library, tools.policy, tools.post.channels, now)
        except InputRefused as error:
            _log.warning("a fallback cannot be sent", message=wanted.parent_id, error=error.code)
            return None


def _needs_next(message: Message, now: datetime) -> bool:
    """Whether the message has not reached its person: it has failed or, where silence counts, is still on its way."""
    plan = plan_of(message)
    if not plan or message.state in _ENDED or (message.deadline is not None and message.deadline <= now):
        return False
    return message.state in FINAL or plan[0]["when"] == "not_delivered"


def next_of(message: Message, content: Compiled | Inline, sendable: Collection[str]) -> Wanted | None:
    """The message on its next channel that has a provider; the channels after it are tried after that one."""
    plan = [one for one in plan_of(message) if one["channel"] in sendable]
    if not plan:
        return None
    channel, *rest = plan
    return Wanted(
        client_id=message.client_id,
        content=content,
        purpose=message.purpose,
        profile_id=message.profile_id,
        topic=message.topic,
        data=json.loads(message.data) if message.data else {},
        channels=(channel["channel"],),
        deadline=message.deadline,
        urgency=message.urgency,
        offer=Offer.model_validate_json(message.offer) if message.offer else None,
        campaign=message.campaign,
        broadcast_id=message.broadcast_id,
        parent_id=message.message_id,
        next_channels=json.dumps(rest) if rest else None,
    )
