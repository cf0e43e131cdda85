"""Dispatching: messages that are due are handed over to providers.

Each batch is two transactions and the calls between them. The first asks the gates again and writes the attempts as
started; the second writes what came of them. A worker that dies in between leaves started attempts without an outcome:
whoever takes the batch over cannot know whether the provider took them, and says so (`unknown`). Between the attempts
and the calls the messages are rendered; what was said by the end of that still counts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from cdp.consent import Suppression
from cdp.consent.ledger import entry_count, suppress
from cdp.content.compiled import Compiled
from cdp.content.rendering import Inline, Values
from cdp.decision import Facts
from cdp.decision.claims import hand_over_claims, take_back_claims
from cdp.decision.facts import Subject, gather
from cdp.decision.unsubscribing import link_for
from cdp.delivery import Accepted, InDoubt, Outcome, Refused, Retry
from cdp.errors import Unavailable
from cdp.people.holding import hold_people
from cdp.people.reading import Person, read_people
from cdp.products.choosing import Shown
from cdp.products.filling import Showing, products_for
from cdp.sending import attempts as log
from cdp.sending.accepting import SEND
from cdp.sending.attempts import Attempt
from cdp.sending.broadcasts import BROADCAST_CANCELLED, LOOK_AT_PAUSED, states_among
from cdp.sending.calling import Callers, Ended, Ready, Rendered, Stopped
from cdp.sending.gates import refusal
from cdp.sending.health import points_of
from cdp.sending.messages import Message, content_of, messages_of, recipients_of, update, versions_in
from cdp.sending.personal import values_for
from cdp.sending.planning import plan_for_silence, try_next
from cdp.sending.rates import Rates
from cdp.sending.states import UNSENT, forward
from cdp.sending.tools import Tools
from cdp.sending.withdrawing import give_back, withdraw
from cdp.store import Connection
from cdp.work import Backoff, Batch, Item, Kind, Settling, Task, doubling, enqueue

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

MOST_AT_ONCE = 50
# A call may take half a minute; then another worker takes the batch over.
LEASE = timedelta(minutes=2)
# It is the message's expiry that ends its attempts.
_BACKOFF: Backoff = doubling(timedelta(seconds=30), timedelta(hours=1), max_attempts=1_000)
_OF_BROADCAST = {
    "paused": Stopped("broadcast_paused", "queued"),
    "cancelled": Stopped(BROADCAST_CANCELLED, "cancelled"),
}


class _Passed(NamedTuple):
    """A message that no gate holds back, with its person."""

    item: Item
    message: Message
    person: Person
    address: str


class Dispatcher:
    """Hands due messages over to providers; several threads can share one."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._callers = Callers(tools, MOST_AT_ONCE)

    def kind(self) -> Kind:
        return Kind(SEND, self.handle, MOST_AT_ONCE, LEASE, _BACKOFF)

    def handle(self, batch: Batch) -> None:
        """Hand over the messages of a batch that may go out, and settle all."""
        with batch.settling() as settling:
            stated = entry_count(settling.connection)
            ready = self._start(settling, batch)
        rendered, refused = self._callers.render_all(ready, batch.clock)
        going, stopped = self._look_again(rendered, stated, batch)
        ended = self._callers.call_all(going, batch.clock)
        with batch.settling() as settling:
            self._end(settling, [*refused, *stopped, *ended], batch)

    def close(self) -> None:
        self._callers.close()

    def _start(self, settling: Settling, batch: Batch) -> list[Ready]:
        """The messages that go out now, their attempts written as started; the other items are settled."""
        connection, now = settling.connection, batch.clock()
        ids = [item.key for item in settling.items]
        hold_people(connection, recipients_of(connection, ids))
        found = messages_of(connection, ids, locked=True)
        pairs = [(item, found[item.key]) for item in settling.items if item.key in found]
        earlier = log.attempts_of(connection, list(found))
        pairs = self._settle_unknown(settling, pairs, earlier, now)
        pairs = self._of_running_broadcasts(settling, pairs, now)
        due = [(item, one) for item, one in pairs if one.state == "queued"]
        late = [one for _, one in due if one.expires_at is not None and now > one.expires_at]
        _give_up(connection, late, now)
        # The policy has lost the purpose since.
        lost = [one for _, one in due if one.purpose not in self._tools.policy.purposes and one not in late]
        withdraw(connection, lost, "suppressed", "unknown_purpose", now)
        late += lost
        ready = self._ready(settling, [(item, one) for item, one in due if one not in late], earlier, batch, now)
        started = [
            replace(one.message, state="sending", provider=one.attempt.provider, changed_at=now) for one in ready
        ]
        update(connection, started)
        log.start(connection, [one.attempt for one in ready])
        hand_over_claims(connection, [one.message_id for one in started if one.offer], now)
        for one in ready:
            settling.keep(one.item)
        return [replace(one, message=message) for one, message in zip(ready, started, strict=True)]

    def _of_running_broadcasts(
        self, settling: Settling, pairs: Sequence[tuple[Item, Message]], now: datetime
    ) -> list[tuple[Item, Message]]:
        """Messages of paused broadcasts are put back; resuming brings them forward. Those of cancelled ones are
        withdrawn here, too: the work on the broadcast withdraws them part by part, and may not have come to them yet.
        """
        ids = {one.broadcast_id for _, one in pairs if one.broadcast_id}
        states = states_among(settling.connection, ids, locked=True)
        cancelled = []
        for item, one in pairs:
            state = states.get(one.broadcast_id or "")
            if state == "paused" and one.state == "queued":
                settling.again(item, now + LOOK_AT_PAUSED)
            elif state == "cancelled" and one.state == "queued":
                cancelled.append(one)
        withdraw(settling.connection, cancelled, "cancelled", BROADCAST_CANCELLED, now)
        return [(item, one) for item, one in pairs if states.get(one.broadcast_id or "") not in ("paused", "cancelled")]

    def _settle_unknown(
        self,
        settling: Settling,
        pairs: Sequence[tuple[Item, Message]],
        earlier: Mapping[str, Sequence[Attempt]],
        now: datetime,
    ) -> list[tuple[Item, Message]]:
        """Messages whose attempt has no outcome: their worker died with them in hand."""
        lost = {one.message_id for _, one in pairs if one.state == "sending"}
        ended = [
            replace(attempt, ended_at=now, outcome="in_doubt", error="worker_died")
            for message_id in lost
            for attempt in earlier.get(message_id, ())
            if attempt.outcome is None
        ]
        log.end(settling.connection, ended)
        after = [
            (item, self._in_doubt(one, "worker_died", now) if one.message_id in lost else one) for item, one in pairs
        ]
        update(settling.connection, [one for _, one in after if one.message_id in lost])
        return after

    def _in_doubt(self, message: Message, error: str, now: datetime) -> Message:
        """A message that was perhaps taken: it is sent again only where the policy says so."""
        purpose = self._tools.policy.purposes.get(message.purpose)
        resends = purpose is not None and purpose.on_unknown == "resend"
        return replace(message, state="queued" if resends else "unknown", reason=error, changed_at=now)

    def _ready(
        self,
        settling: Settling,
        due: Sequence[tuple[Item, Message]],
        earlier: Mapping[str, Sequence[Attempt]],
        batch: Batch,
        now: datetime,
    ) -> list[Ready]:
        """The due messages that no gate holds back and that a provider has room for."""
        connection = settling.connection
        passed = self._passed(connection, due, now)
        messages = [one.message for one in passed]
        versions = self._tools.versions.of(connection, versions_in(messages))
        contents = {one.message_id: content_of(one, versions) for one in messages}
        products = _products(connection, passed, contents)
        points, rates, ready = points_of(connection), Rates(connection, self._tools.post, now), []
        for one in passed:
            message_id = one.message.message_id
            attempts = earlier.get(message_id, ())
            avoid = attempts[-1].provider if attempts else None
            provider = self._tools.post.choose(str(one.message.channel), one.address, points, batch.chance(), avoid)
            if provider is None:
                settling.retry(one.item, "no_provider")
            elif free_at := rates.take(provider):
                settling.again(one.item, free_at)
            else:
                attempt = Attempt(message_id, len(attempts) + 1, provider, now)
                values = self._values(one.message, one.person, products[message_id], now)
                ready.append(Ready(one.item, one.message, attempt, one.address, contents[message_id], values))
        rates.keep()
        return ready

    def _passed(self, connection: Connection, due: Sequence[tuple[Item, Message]], now: datetime) -> list[_Passed]:
        """The messages that may go out; those that a gate holds back are withdrawn."""
        subjects, facts_of_all = _known(connection, [one for _, one in due], now)
        passed, held_back = [], defaultdict[str, list[Message]](list)
        for (item, one), subject, facts in zip(due, subjects, facts_of_all, strict=True):
            reason = refusal(one, facts, self._tools.policy, now)
            if reason or subject.person is None:
                held_back[reason.code if reason else "unknown_person"].append(one)
                continue
            address = next(held.value for held in facts.addresses if held.contact_point_id == one.contact_point_id)
            assert address
            passed.append(_Passed(item, one, subject.person, address))
        for code, found in held_back.items():
            withdraw(connection, found, "suppressed", code, now)
        return passed

    def _look_again(
        self, rendered: Sequence[Rendered], stated: int, batch: Batch
    ) -> tuple[Sequence[Rendered], Sequence[Ended]]:
        """The messages that still go out, and those that are held back by now.

        Args:
            stated: the number of statements before the gates were asked.
        """
        if not rendered:
            return (), ()
        now = batch.clock()
        try:
            with batch.store.read() as connection:
                stopped = self._stopped(connection, [one.ready.message for one in rendered], stated, now)
        except Unavailable:
            # Nobody was called yet: there is nothing in doubt.
            stopped = {one.dispatch.message_id: Stopped("store_unavailable", "queued") for one in rendered}
        going = [one for one in rendered if one.dispatch.message_id not in stopped]
        held_back = [one for one in rendered if one.dispatch.message_id in stopped]
        return going, [Ended(one.ready, stopped[one.dispatch.message_id], now) for one in held_back]

    def _stopped(
        self, connection: Connection, messages: Sequence[Message], stated: int, now: datetime
    ) -> Mapping[str, Stopped]:
        """What holds messages back by now, by message: a broadcast that was paused or cancelled, or a gate."""
        states = states_among(connection, {one.broadcast_id for one in messages if one.broadcast_id})
        found = {
            one.message_id: _OF_BROADCAST[states[one.broadcast_id]]
            for one in messages
            if one.broadcast_id and states.get(one.broadcast_id) in _OF_BROADCAST
        }
        if entry_count(connection) != stated:
            _, facts = _known(connection, messages, now)
            for one, of_one in zip(messages, facts, strict=True):
                if reason := refusal(one, of_one, self._tools.policy, now):
                    found.setdefault(one.message_id, Stopped(reason.code))
        return found

    def _values(
        self, message: Message, person: Person, products: Mapping[str, Sequence[Shown]], now: datetime
    ) -> Values:
        link = link_for(message, message.purpose, message.topic, self._tools.policy)
        return values_for(
            person,
            str(message.channel),
            data=json.loads(message.data) if message.data else {},
            offer=json.loads(message.offer) if message.offer else {},
            products=products,
            unsubscribe=self._tools.unsubscribing.carried_by(link, now) if link else None,
            now=now,
        )

    def _end(self, settling: Settling, ended: Sequence[Ended], batch: Batch) -> None:
        """Write what came of the calls. A receipt may have come before the answer: the later state stands."""
        connection, now = settling.connection, batch.clock()
        log.end(connection, [_closed(one) for one in ended])
        current = messages_of(connection, [one.ready.message.message_id for one in ended], locked=True)
        held = {item.seq for item in settling.items}
        changed, failed, stopped, deferred = [], [], [], []
        for one in ended:
            before = current[one.ready.message.message_id]
            after = self._after(before, one.outcome, now)
            changed.append(after)
            if after.state == "failed" and before.state != "failed":
                failed.append(after)
            if after.state in UNSENT and before.state not in UNSENT:
                stopped.append(after)
            if after.state == "queued":
                self._again(settling, one, after, now, is_held=one.ready.item.seq in held)
                if isinstance(one.outcome, Retry | Stopped):
                    deferred.append(after)
        update(connection, changed)
        suppress(connection, [_gone(one.ready, now) for one in ended if _is_gone(one.outcome)], now)
        give_back(connection, [*failed, *stopped], now)
        take_back_claims(connection, [one.message_id for one in deferred if one.offer])
        try_next(connection, failed, now)
        plan_for_silence(connection, [one for one in changed if one.state in ("unknown", "accepted", "sent")], now)

    def _after(self, message: Message, outcome: Outcome | Stopped, now: datetime) -> Message:
        message = replace(message, changed_at=now)
        match outcome:
            case Accepted():
                return replace(
                    message,
                    state=forward(message.state, "accepted"),
                    provider_id=outcome.provider_id or message.provider_id,
                    reason=None,
                )
            case Refused():
                state = forward(message.state, "failed")
                return replace(message, state=state, reason=outcome.error if state == "failed" else message.reason)
            case Stopped() if message.state in ("sending", "unknown"):
                return replace(message, state=outcome.state, reason=outcome.error)
            case Retry() if message.state in ("sending", "unknown"):
                return replace(message, state="queued", reason=outcome.error)
            case InDoubt() if message.state == "sending":
                return self._in_doubt(message, outcome.error, now)
            case _:
                return message

    def _has_another(self, ready: Ready) -> bool:
        """Whether there is a provider that has not been tried for the message yet."""
        return len(self._tools.post.routes_for(str(ready.message.channel), ready.address)) > ready.attempt.number

    def _again(self, settling: Settling, ended: Ended, message: Message, now: datetime, *, is_held: bool) -> None:
        """Try again later. Whoever took over from this worker has settled the item: then there is a new one."""
        item, outcome = ended.ready.item, ended.outcome
        at = now + outcome.after if isinstance(outcome, Retry) and outcome.after else None
        if isinstance(outcome, Retry) and outcome.is_providers and self._has_another(ended.ready):
            at = now
        if not is_held:
            enqueue(settling.connection, SEND, [Task(item.key, not_before=at or now + _BACKOFF.delays[0])], now)
        elif isinstance(outcome, Stopped):
            # It was not tried; what has paused its broadcast brings it forward.
            settling.again(item, now + LOOK_AT_PAUSED)
        else:
            settling.retry(item, str(message.reason), at)


def _products(
    connection: Connection, passed: Sequence[_Passed], contents: Mapping[str, Compiled | Inline | None]
) -> Mapping[str, Mapping[str, Sequence[Shown]]]:
    """The products that each message shows to its person."""
    showing = [Showing(one.person, contents[one.message.message_id], str(one.message.channel)) for one in passed]
    found = products_for(connection, showing)
    return {one.message.message_id: shown for one, shown in zip(passed, found, strict=True)}


def _known(connection: Connection, messages: Sequence[Message], now: datetime) -> tuple[list[Subject], list[Facts]]:
    """The person that each message is to, and the facts about them."""
    people = read_people(connection, {str(one.profile_id) for one in messages})
    subjects = [Subject(one.profile_id, people.get(str(one.profile_id))) for one in messages]
    return subjects, gather(connection, subjects, now)


def _is_gone(outcome: Outcome | Stopped) -> bool:
    return isinstance(outcome, Refused) and outcome.is_address_gone


def _gone(ready: Ready, now: datetime) -> Suppression:
    """An address that no longer exists is retired as by a hard bounce; a message that arrives there lifts it."""
    message = ready.message
    point, channel = str(message.contact_point_id), str(message.channel)
    return Suppression(point, channel, "hard_bounce", ready.attempt.provider, now, entry_id=message.message_id)


def _closed(ended: Ended) -> Attempt:
    outcome: Any = ended.outcome
    names = {Accepted: "accepted", Retry: "retry", Refused: "refused", Stopped: "refused", InDoubt: "in_doubt"}
    error = getattr(outcome, "error", None)
    return replace(ended.ready.attempt, ended_at=ended.at, outcome=names[type(outcome)], error=error)


def _give_up(connection: Connection, late: Sequence[Message], now: datetime) -> None:
    """Messages that are past their time; the next channel may still be in time."""
    expired = withdraw(connection, late, "expired", "too_late", now) if late else []
    try_next(connection, expired, now)
