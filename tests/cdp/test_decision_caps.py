"""Frequency caps: windows of any 24 hours and 7 days, each message counted once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.decision.caps import DAY, WEEK, Counted, Planned, Sent, limits, messages, next_free
from cdp.decision.policy import Cap, Purpose
from tests.cdp.deciding import NOW

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
PURPOSES = {
    "marketing": Purpose(needs_consent=True, is_capped=True),
    "transactional": Purpose(needs_consent=False, is_capped=False),
}


def planned(hours: float, name: str = "dec_1", channel: str = "sms", purpose: str = "marketing") -> Planned:
    return Planned(name, channel, purpose, NOW + hours * HOUR)


def sent(hours: float, name: str = "m1", channel: str = "sms") -> Sent:
    return Sent(name, channel, NOW + hours * HOUR)


COUNTS = [
    # decisions, messages sent, what counts
    ("nothing", [], [], []),
    ("a decision whose message is on its way", [planned(-3)], [], ["dec_1"]),
    ("a decision and its message", [planned(-3)], [sent(-2.9)], ["m1"]),
    ("stamped by a clock that is behind", [planned(-3)], [Sent("m1", "sms", NOW - 3 * HOUR - 30 * SECOND)], ["m1"]),
    ("a message from before the decision", [planned(-3)], [sent(-4)], ["m1", "dec_1"]),
    ("a message of another channel", [planned(-3)], [sent(-2, channel="email")], ["dec_1", "m1"]),
    ("a message two days later", [planned(-60)], [sent(-12)], ["dec_1", "m1"]),
    ("one message does not belong to two decisions", [planned(-5), planned(-3, "dec_2")], [sent(-2)], ["dec_1", "m1"]),
    ("two messages, one decision", [planned(-5)], [sent(-4), sent(-3, "m2")], ["m1", "m2"]),
    ("two of each", [planned(-9), planned(-3, "dec_2")], [sent(-8), sent(-2, "m2")], ["m1", "m2"]),
    ("transactional, on its way", [planned(-3, purpose="transactional")], [], []),
    ("transactional, sent", [planned(-3, purpose="transactional")], [sent(-2.9)], []),
    ("a purpose that is no longer in the policy", [planned(-3, purpose="surveys")], [], ["dec_1"]),
]


@pytest.mark.parametrize(("what", "decided", "reported", "counted"), COUNTS, ids=[row[0] for row in COUNTS])
def test_a_message_counts_once(what: str, decided: list[Planned], reported: list[Sent], counted: list[str]) -> None:
    assert [message.evidence_id for message in messages(decided, reported, PURPOSES)] == counted


CAPS = {"sms": Cap(per_day=1, per_week=2), "all": Cap(per_day=3)}
MOVES = [
    # messages, hours from NOW until there is room, the cap that was full, its evidence
    ("none", [], 0, None, None),
    ("one just now", [sent(0)], 24, "sms_per_day", "m1"),
    ("one nearly a day ago", [sent(-23.5)], 0.5, "sms_per_day", "m1"),
    ("one a day ago to the second", [sent(-24)], 0, None, None),
    ("two this week", [sent(-100), sent(-50, "m2")], 68, "sms_per_week", "m2"),
    ("one planned for later", [sent(10)], 34, "sms_per_day", "m1"),
    ("room before one planned for later", [sent(30)], 0, None, None),
    ("other channels", [sent(-3, n, "email") for n in "abc"], 21, "all_per_day", "c"),
    ("other channels, fewer", [sent(-3, n, "email") for n in "ab"], 0, None, None),
]


@pytest.mark.parametrize(("what", "reported", "hours", "code", "evidence"), MOVES, ids=[row[0] for row in MOVES])
def test_the_first_time_with_room(
    what: str, reported: list[Sent], hours: float, code: str | None, evidence: str | None
) -> None:
    kept = limits(CAPS, "sms", messages([], reported, PURPOSES))
    free = next_free(NOW, kept, NOW + 2 * WEEK)
    assert (free.at, free.code, free.evidence_id) == (NOW + hours * HOUR, code, evidence)
    if hours:
        assert next_free(NOW, kept, NOW + hours * HOUR - SECOND).at is None


HOURS = st.lists(st.integers(-170, 200), max_size=25)


def fits(hours: list[int], at: float, window: int, most: int) -> bool:
    """Whether no window that contains `at` exceeds `most`, checking each window that ends with a message."""
    ends = [at, *(hour for hour in hours if at < hour < at + window)]
    return all(sum(end - window < one <= end for one in [*hours, at]) <= most for end in ends)


@given(hours=HOURS, per_day=st.integers(1, 4), per_week=st.integers(1, 8))
def test_one_more_message_breaks_no_cap_and_could_not_go_earlier(hours: list[int], per_day: int, per_week: int) -> None:
    counted = tuple(Counted(NOW + hour * HOUR, "sms", str(hour)) for hour in sorted(hours))
    kept = limits({"sms": Cap(per_day=per_day, per_week=per_week)}, "sms", counted)
    free = next_free(NOW, kept, NOW + 8 * WEEK).at
    assert free is not None
    found = (free - NOW) / HOUR
    assert fits(hours, found, 24, per_day)
    assert fits(hours, found, 168, per_week)
    for earlier in range(int(found)):
        assert not (fits(hours, earlier, 24, per_day) and fits(hours, earlier, 168, per_week))


def test_without_caps_there_is_always_room() -> None:
    counted = tuple(Counted(NOW, "sms", str(number)) for number in range(99))
    assert limits({}, "sms", counted) == ()
    assert next_free(NOW, (), NOW + DAY).at == NOW
