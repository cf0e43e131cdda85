"""Broadcasts: a message to everybody in a segment, person by person.

A broadcast first takes down who is in the segment, a row a person; then each person's row becomes a message, or the
reason why not, in the transaction that decides on it. There is no position that could be lost or applied twice: whoever
has no outcome yet is still to come. It is finished when nobody is. Pausing holds what is queued, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, get_args

import sqlalchemy as sa

from cdp.content.compiled import Compiled
from cdp.decision import Holdout
from cdp.errors import CdpError, InputRefused, NotFound
from cdp.idempotency import Once, do_once
from cdp.people.reading import read_people
from cdp.sending.accepting import SEND, Asking, Wanted, accept, asking
from cdp.sending.messages import COLUMNS, Message, message_of
from cdp.sending.tables import broadcast_people, broadcasts, messages
from cdp.sending.tools import Tools
from cdp.sending.withdrawing import withdraw
from cdp.store import Connection, Store
from cdp.store.prepared import Prepared, Value, among
from cdp.work import Batch, Item, Kind, Settling, Task, enqueue

BROADCAST = "broadcast"
# So many people are decided on, or messages withdrawn, in one transaction: others wait for its end.
AT_ONCE = 50
_TAKEN_DOWN_AT_ONCE = 2_000
LEASE = timedelta(minutes=5)
# When the work of a paused broadcast is looked at again; resuming brings it forward.
LOOK_AT_PAUSED = timedelta(minutes=5)

# Why a message was cancelled.
BROADCAST_CANCELLED = "broadcast_cancelled"

BroadcastState = Literal["gathering", "running", "paused", "finished", "cancelled"]
BROADCAST_STATES: tuple[BroadcastState, ...] = get_args(BroadcastState)

# The ids of the people in a segment, part by part.
MembersOf = Callable[[str], Iterable[Sequence[str]]]


@dataclass(frozen=True)
class Broadcast:
    """A broadcast, as it is stored.

    rate: the most messages a minute. holdout: the share of the people who get nothing, from 0 to 1.
    is_gathered: all people of the segment have been taken down.
    """

    broadcast_id: str
    client_id: str
    segment: str
    template: str
    template_version: str
    purpose: str
    topic: str | None
    campaign: str
    data: str | None
    rate: int | None
    holdout: float
    starts_at: datetime
    state: BroadcastState
    created_at: datetime
    changed_at: datetime
    is_gathered: bool = False


class CannotChange(CdpError):
    """The broadcast has been cancelled."""

    http_status = 409
    code = "broadcast_ended"


_NAMES = tuple(Broadcast.__dataclass_fields__)
_COLUMNS = tuple(broadcasts.c[name] for name in _NAMES)
_INSERT = Prepared(broadcasts.insert())
_TAKE_DOWN = Prepared.insert_new(broadcast_people)
_NEXT = Prepared(
    sa.select(broadcast_people.c.profile_id)
    .where(broadcast_people.c.broadcast_id == sa.bindparam("id"), broadcast_people.c.outcome.is_(None))
    .limit(sa.bindparam("most"))
)
_DONE = Prepared(
    broadcast_people.update()
    .where(
        broadcast_people.c.broadcast_id == sa.bindparam("id"), broadcast_people.c.profile_id == sa.bindparam("person")
    )
    .values(outcome=sa.bindparam("new_outcome"), message_id=sa.bindparam("new_message"))
)
_QUEUED = Prepared(
    sa.select(*COLUMNS)
    .where(messages.c.broadcast_id == sa.bindparam("id"), messages.c.state == sa.literal_column("'queued'"))
    .limit(sa.literal_column(str(AT_ONCE)))
    .with_for_update()
)
_HAS_ONE = Prepared(
    sa.select(messages.c.profile_id).where(
        messages.c.broadcast_id == sa.bindparam("id"), among(messages.c.profile_id, "ids")
    )
)
_is_among = among(broadcasts.c.broadcast_id, "ids")
_STATES = Prepared(sa.select(broadcasts.c.broadcast_id, broadcasts.c.state).where(_is_among))
# On PostgreSQL, whoever pauses or cancels one waits. SQLite has one writer at a time anyway.
_LOCKED_STATES = Prepared(
    sa.select(broadcasts.c.broadcast_id, broadcasts.c.state).where(_is_among).with_for_update(read=True)
)


def start(connection: Connection, broadcast: Broadcast) -> None:
    """Write a broadcast and enqueue it, within a write transaction."""
    _INSERT.write(connection, [vars(broadcast)])
    enqueue(connection, BROADCAST, [Task(broadcast.broadcast_id, not_before=broadcast.starts_at)], broadcast.created_at)


def start_once(connection: Connection, broadcast: Broadcast, once: Once | None) -> tuple[Broadcast, bool]:
    """Start a broadcast, within a write transaction; or return the one that an earlier request of the same key has
    started, as it was then, and true.

    Raises:
        KeyReused: the key was used for another request.
    """

    def begun() -> Broadcast:
        start(connection, broadcast)
        return broadcast

    def as_begun(ids: Sequence[str]) -> Broadcast:
        [broadcast_id] = ids
        found = broadcast_of(connection, broadcast_id)
        return replace(found, state="gathering", changed_at=found.created_at)

    return do_once(
        connection,
        once,
        broadcast.created_at,
        do=begun,
        recall=as_begun,
        ids_of=lambda made: [made.broadcast_id],
    )


def broadcast_of(connection: Connection, broadcast_id: str, *, locked: bool = False) -> Broadcast:
    """The broadcast with this id; `locked` within a write transaction that changes it.

    Raises:
        NotFound: there is none.
    """
    wanted = sa.select(*_COLUMNS).where(broadcasts.c.broadcast_id == broadcast_id)
    row = connection.execute(wanted.with_for_update() if locked else wanted).first()
    if row is None:
        raise NotFound("There is no broadcast with this id")
    return Broadcast(*row)


def all_broadcasts(connection: Connection, limit: int) -> list[Broadcast]:
    """The latest broadcasts."""
    latest = sa.select(*_COLUMNS).order_by(broadcasts.c.created_at.desc(), broadcasts.c.broadcast_id.desc())
    return [Broadcast(*row) for row in connection.execute(latest.limit(limit))]


def progress(connection: Connection, broadcast_id: str) -> Mapping[str, int]:
    """How many people are `waiting`, and how many messages are in each state."""
    people = broadcast_people
    waiting = sa.select(sa.func.count()).where(people.c.broadcast_id == broadcast_id, people.c.outcome.is_(None))
    of_messages = sa.select(messages.c.state, sa.func.count()).where(messages.c.broadcast_id == broadcast_id)
    states = connection.execute(of_messages.group_by(messages.c.state)).all()
    return {"waiting": connection.scalar(waiting) or 0, **{row[0]: row[1] for row in states}}


def states_among(connection: Connection, ids: Iterable[str], *, locked: bool = False) -> Mapping[str, BroadcastState]:
    """The states of broadcasts; `locked` within a write transaction that is to end before they are turned."""
    found = set(ids)
    return dict((_LOCKED_STATES if locked else _STATES).rows(connection, ids=found)) if found else {}


def pause(connection: Connection, broadcast_id: str, now: datetime) -> Broadcast:
    """Hold a broadcast and its queued messages, within a write transaction. Pausing again changes nothing."""
    return _turn(connection, broadcast_id, "paused", now)


def resume(connection: Connection, broadcast_id: str, now: datetime) -> Broadcast:
    """Go on with a broadcast; its queued messages are due at once."""
    held = sa.select(messages.c.message_id).where(
        messages.c.broadcast_id == broadcast_id, messages.c.state == "queued", messages.c.send_at <= now
    )
    # Before the broadcast is locked: the dispatcher takes messages first and their broadcasts second.
    enqueue(connection, SEND, [Task(one) for one in connection.scalars(held)], now)
    return _turn(connection, broadcast_id, "running", now)


def cancel_broadcast(connection: Connection, broadcast_id: str, now: datetime) -> Broadcast:
    """End a broadcast: nobody else gets a message, and its queued messages are withdrawn."""
    return _turn(connection, broadcast_id, "cancelled", now)


def _turn(connection: Connection, broadcast_id: str, state: BroadcastState, now: datetime) -> Broadcast:
    starts_at = broadcast_of(connection, broadcast_id).starts_at
    # Whoever works on the broadcast holds the work first, and would wait for us while we waited for it.
    enqueue(connection, BROADCAST, [Task(broadcast_id, not_before=max(now, starts_at))], now)
    found = broadcast_of(connection, broadcast_id, locked=True)
    if found.state == state:
        return found
    if found.state == "cancelled":
        raise CannotChange("the broadcast is cancelled")
    # Who is paused or resumed while people are still taken down goes on with that.
    to: BroadcastState = "gathering" if state == "running" and not found.is_gathered else state
    _set_state(connection, broadcast_id, to, now)
    return replace(found, state=to, changed_at=now)


def _set_state(connection: Connection, broadcast_id: str, state: BroadcastState, now: datetime) -> None:
    is_it = broadcasts.c.broadcast_id == broadcast_id
    connection.execute(broadcasts.update().where(is_it).values(state=state, changed_at=now))


class Broadcasts:
    """Works on broadcasts, a part of one at a time."""

    def __init__(self, tools: Tools, store: Store, members_of: MembersOf) -> None:
        self._tools = tools
        self._store = store
        self._members_of = members_of

    def kind(self) -> Kind:
        return Kind(BROADCAST, self.handle, batch_size=1, lease=LEASE)

    def handle(self, batch: Batch) -> None:
        """Take down its people, or turn some of them into messages, or withdraw some of its messages."""
        for item in batch.items:
            with self._store.read() as connection:
                found = broadcast_of(connection, item.key)
            if found.starts_at > batch.clock() and found.state != "cancelled":
                with batch.settling([item]) as settling:
                    settling.again(item, found.starts_at)
                continue
            if found.state == "gathering":
                self._gather(found, batch)
            with batch.settling([item]) as settling:
                self._go_on(settling, item, batch.clock())

    def _gather(self, broadcast: Broadcast, batch: Batch) -> None:
        """Write a row a person. Whoever has one keeps it, so that this may be done again after a kill."""
        for ids in self._members_of(broadcast.segment):
            for begun in range(0, len(ids), _TAKEN_DOWN_AT_ONCE):
                rows: list[Mapping[str, Value]] = [
                    {"broadcast_id": broadcast.broadcast_id, "profile_id": one, "outcome": None, "message_id": None}
                    for one in ids[begun : begun + _TAKEN_DOWN_AT_ONCE]
                ]
                with self._store.write() as connection:
                    _TAKE_DOWN.write(connection, rows)
            batch.renew()
        with self._store.write() as connection:
            is_it = sa.and_(broadcasts.c.broadcast_id == broadcast.broadcast_id, broadcasts.c.state == "gathering")
            connection.execute(broadcasts.update().where(is_it).values(state="running", is_gathered=True))

    def _go_on(self, settling: Settling, item: Item, now: datetime) -> None:
        connection = settling.connection
        found = broadcast_of(connection, item.key)
        if found.state == "running":
            most = at_once(found.rate)
            if self._decide(connection, found, most, now) < most:
                _set_state(connection, found.broadcast_id, "finished", now)
            else:
                settling.again(item, now + (timedelta(minutes=most / found.rate) if found.rate else timedelta()))
        elif found.state == "cancelled" and self._withdraw(connection, found, now) == AT_ONCE:
            settling.again(item, now)

    def _decide(self, connection: Connection, broadcast: Broadcast, most: int, now: datetime) -> int:
        """Turn the next people into messages; return their number."""
        ids = [row[0] for row in _NEXT.rows(connection, id=broadcast.broadcast_id, most=most)]
        asked = dict(self._questions(connection, broadcast, ids, now))
        valid = [one for one in asked.values() if isinstance(one, Asking)]
        accepted = accept(connection, valid, self._tools.policy, now)
        made = {question.message_id: message for question, (message, _) in zip(valid, accepted, strict=True)}
        _DONE.write(connection, [_outcome(broadcast, one, asked[one], made) for one in ids])
        return len(ids)

    def _questions(
        self, connection: Connection, broadcast: Broadcast, ids: Sequence[str], now: datetime
    ) -> Iterator[tuple[str, Asking | str]]:
        """The question about each person or, where there is none, the reason."""
        key = broadcast.template, broadcast.template_version
        content = self._tools.versions.of(connection, [key])[key]
        people = read_people(connection, set(ids))
        now_are = {one: person.profile_id if (person := people.get(one)) else one for one in ids}
        has_one = {row[0] for row in _HAS_ONE.rows(connection, id=broadcast.broadcast_id, ids=now_are.values())}
        for one, survivor in now_are.items():
            if survivor in has_one:
                # Two of the segment have become one person since.
                yield one, "merged"
                continue
            has_one.add(survivor)
            try:
                yield one, self._asking(broadcast, content, survivor, now)
            except InputRefused as error:
                yield one, error.code

    def _asking(self, broadcast: Broadcast, content: Compiled, profile_id: str, now: datetime) -> Asking:
        tools = self._tools
        wanted = Wanted(
            client_id=broadcast.client_id,
            content=content,
            purpose=broadcast.purpose,
            profile_id=profile_id,
            topic=broadcast.topic,
            data=json.loads(broadcast.data) if broadcast.data else {},
            campaign=broadcast.campaign,
            broadcast_id=broadcast.broadcast_id,
            holdouts=(Holdout(broadcast.campaign, broadcast.holdout),) if broadcast.holdout else (),
        )
        return asking(wanted, tools.library, tools.policy, tools.post.channels, now)

    def _withdraw(self, connection: Connection, broadcast: Broadcast, now: datetime) -> int:
        waiting = [message_of(row) for row in _QUEUED.rows(connection, id=broadcast.broadcast_id)]
        withdraw(connection, waiting, "cancelled", BROADCAST_CANCELLED, now)
        return len(waiting)


def at_once(rate: int | None) -> int:
    """How many people are decided on at once: of a rate, what five seconds allow."""
    return AT_ONCE if rate is None else min(AT_ONCE, max(1, rate // 12))


def _outcome(
    broadcast: Broadcast, profile_id: str, asked: Asking | str, made: Mapping[str, Message]
) -> Mapping[str, Value]:
    message = None if isinstance(asked, str) else made[asked.message_id]
    outcome = asked if isinstance(asked, str) else "refused" if made[asked.message_id].state == "refused" else "sent"
    return {
        "id": broadcast.broadcast_id,
        "person": profile_id,
        "new_outcome": outcome,
        "new_message": message.message_id if message else None,
    }
