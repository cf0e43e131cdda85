"""Frequency caps: how many messages in any 24 hours and in any 7 days, by channel and over all."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cdp.decision.policy import Cap, Purpose

DAY = timedelta(days=1)
WEEK = timedelta(days=7)

# Tolerance for providers' clocks: a message may be reported as sent slightly before its send_at.
_CLOCK_SKEW = timedelta(minutes=1)
# A message sent later than this after a decision does not belong to it.
_SENT_WITHIN = timedelta(days=1)


@dataclass(frozen=True)
class Planned:
    """An earlier decision that allowed a message."""

    decision_id: str
    channel: str
    purpose: str
    send_at: datetime


@dataclass(frozen=True)
class Sent:
    """A message that was sent, as reported by its provider."""

    message_id: str
    channel: str
    sent_at: datetime


class Counted(NamedTuple):
    """A message that counts against caps; `evidence_id` is its own id or the id of its decision."""

    at: datetime
    channel: str
    evidence_id: str


class Limit(NamedTuple):
    """At most `most` messages within any `window`; `times` are the sorted times of `counted`."""

    code: str
    most: int
    window: timedelta
    counted: Sequence[Counted]
    times: Sequence[datetime]


class Free(NamedTuple):
    """The first time that all limits allow (None: too late), and the limit that blocked the start, if any."""

    at: datetime | None
    code: str | None = None
    evidence_id: str | None = None


def messages(planned: Sequence[Planned], sent: Sequence[Sent], purposes: Mapping[str, Purpose]) -> tuple[Counted, ...]:
    """Messages sent or about to be sent, each once, oldest first.

    A sent message is matched to the latest earlier decision on its channel that has no message yet. A decision without
    a message still counts, because the message may be on its way. Messages for purposes without caps do not count.
    """
    waiting = sorted(planned, key=lambda decision: decision.send_at, reverse=True)
    counted = []
    for message in sorted(sent, key=lambda message: message.sent_at):
        decision = next((one for one in waiting if _may_be_of(message, one)), None)
        if decision:
            waiting.remove(decision)
        if decision is None or _is_capped(decision, purposes):
            counted.append(Counted(message.sent_at, message.channel, message.message_id))
    counted += [Counted(one.send_at, one.channel, one.decision_id) for one in waiting if _is_capped(one, purposes)]
    return tuple(sorted(counted))


def _may_be_of(message: Sent, decision: Planned) -> bool:
    lateness = message.sent_at - decision.send_at
    return message.channel == decision.channel and -_CLOCK_SKEW <= lateness <= _SENT_WITHIN


def _is_capped(decision: Planned, purposes: Mapping[str, Purpose]) -> bool:
    purpose = purposes.get(decision.purpose)
    return purpose is None or purpose.is_capped


def limits(caps: Mapping[str, Cap], channel: str, counted: Sequence[Counted]) -> tuple[Limit, ...]:
    """The limits that apply to a message on `channel`."""
    on_channel = [message for message in counted if message.channel == channel]
    return (*_limits(caps.get(channel), channel, on_channel), *_limits(caps.get("all"), "all", counted))


def _limits(cap: Cap | None, name: str, counted: Sequence[Counted]) -> Iterator[Limit]:
    times = [message.at for message in counted]
    if cap and cap.per_day:
        yield Limit(f"{name}_per_day", cap.per_day, DAY, counted, times)
    if cap and cap.per_week:
        yield Limit(f"{name}_per_week", cap.per_week, WEEK, counted, times)


def next_free(start: datetime, kept: Sequence[Limit], latest: datetime) -> Free:
    """The first time from `start` to `latest` at which one more message breaks no limit."""
    broken = next((limit for limit in kept if not _has_room(limit, start)), None)
    if broken is None:
        return Free(start)
    # A limit has room again when a message leaves its window.
    leaving = sorted({at + limit.window for limit in kept for at in limit.times if start < at + limit.window <= latest})
    found = next((moment for moment in leaving if all(_has_room(limit, moment) for limit in kept)), None)
    return Free(found, broken.code, _newest(broken, start).evidence_id)


def _has_room(limit: Limit, moment: datetime) -> bool:
    """Whether every window that contains `moment` has room for one more, counting messages planned for later."""
    times = limit.times
    later = times[bisect_right(times, moment) : bisect_left(times, moment + limit.window)]
    return all(
        bisect_right(times, end) - bisect_right(times, end - limit.window) < limit.most for end in (moment, *later)
    )


def _newest(limit: Limit, moment: datetime) -> Counted:
    """The newest of the messages that use up the limit at `moment`."""
    return limit.counted[max(bisect_left(limit.times, moment + limit.window) - 1, 0)]
