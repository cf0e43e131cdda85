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

# Providers' clocks: a message may be stamped as sent a little before the time from which it was allowed.
_CLOCK_SKEW = timedelta(minutes=1)
# A message that was sent later than this after its decision is another one.
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
    """A message that was sent, as its provider reported."""

    message_id: str
    channel: str
    sent_at: datetime


class Counted(NamedTuple):
    """A message that counts against caps; `evidence_id` is that of its decision or its own."""

    at: datetime
    channel: str
    evidence_id: str


class Limit(NamedTuple):
    """At most `most` of the messages at `times` (sorted) within any `window`."""

    code: str
    most: int
    window: timedelta
    counted: Sequence[Counted]
    times: Sequence[datetime]


class Free(NamedTuple):
    """The first moment that no limit forbids (None: too late), and the limit that forbade the start, if one did."""

    at: datetime | None
    code: str | None = None
    evidence_id: str | None = None


def messages(planned: Sequence[Planned], sent: Sequence[Sent], purposes: Mapping[str, Purpose]) -> tuple[Counted, ...]:
    """What was sent or is about to be, each message once, oldest first.

    A sent message is taken for the latest decision on its channel that came before it and has no message yet. A
    decision without one still counts: its message may be on its way. Messages for purposes without caps do not.
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
    """The limits that a message on `channel` has to keep."""
    on_channel = [message for message in counted if message.channel == channel]
    return (*_limits(caps.get(channel), channel, on_channel), *_limits(caps.get("all"), "all", counted))


def _limits(cap: Cap | None, name: str, counted: Sequence[Counted]) -> Iterator[Limit]:
    times = [message.at for message in counted]
    if cap and cap.per_day:
        yield Limit(f"{name}_per_day", cap.per_day, DAY, counted, times)
    if cap and cap.per_week:
        yield Limit(f"{name}_per_week", cap.per_week, WEEK, counted, times)


def next_free(start: datetime, kept: Sequence[Limit], latest: datetime) -> Free:
    """The first moment from `start` to `latest` at which one more message breaks no limit."""
    broken = next((limit for limit in kept if not _has_room(limit, start)), None)
    if broken is None:
        return Free(start)
    # Room comes when a message leaves a window.
    leaving = sorted({at + limit.window for limit in kept for at in limit.times if start < at + limit.window <= latest})
    found = next((moment for moment in leaving if all(_has_room(limit, moment) for limit in kept)), None)
    return Free(found, broken.code, _newest(broken, start).evidence_id)


def _has_room(limit: Limit, moment: datetime) -> bool:
    """Whether every window around `moment`, messages planned for later included, has room for one more."""
    times = limit.times
    later = times[bisect_right(times, moment) : bisect_left(times, moment + limit.window)]
    return all(
        bisect_right(times, end) - bisect_right(times, end - limit.window) < limit.most for end in (moment, *later)
    )


def _newest(limit: Limit, moment: datetime) -> Counted:
    """The newest message that leaves no room at `moment`."""
    return limit.counted[max(bisect_left(limit.times, moment + limit.window) - 1, 0)]
