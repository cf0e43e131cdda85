"""What became of messages, and when they were opened at by the clock of the place."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cdp.warehouse import Warehouse
from pipelines.profiles.golden import build_profiles
from pipelines.profiles.metrics import write_metrics
from pipelines.statements import statement
from tests.pipelines.people import event, observation, warehouse_of
from tests.pipelines.runs import NOW

pytestmark = pytest.mark.slow


def gathered(events: list[dict[str, object]], timezone: str | None) -> Warehouse:
    warehouse = warehouse_of([observation("ann", email="ann@x.example", timezone=timezone)], events)
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    warehouse.run(statement("preferences/deliveries"), {"reply_weight": 1.0})
    warehouse.run(statement("preferences/opens"))
    return warehouse


BERLIN = ZoneInfo("Europe/Berlin")
CLOCKS = [
    # opened (UTC), hour in Berlin, on a weekend
    ("2026-03-28T18:30", 19, True),
    ("2026-03-29T17:30", 19, True),  # the clocks went forward that morning
    ("2026-10-24T17:30", 19, True),
    ("2026-10-25T18:30", 19, True),  # and back
    ("2026-10-23T22:10", 0, True),  # Saturday there, Friday in UTC
    ("2024-02-29T11:00", 12, False),
]


@pytest.mark.parametrize(("at", "hour", "is_weekend"), CLOCKS)
def test_opens_are_in_local_time_over_clock_changes(at: str, hour: int, is_weekend: bool) -> None:
    opened = datetime.fromisoformat(f"{at}+00:00")
    assert opened.astimezone(BERLIN).hour == hour
    warehouse = gathered([event("ann", "email", "opened", opened, message_ref="m")], "Europe/Berlin")
    assert warehouse.query("select opened_hour, is_weekend from opens").rows() == [(hour, is_weekend)]


ODD_CLOCKS = [
    ("2026-11-03T18:10", "Asia/Kathmandu", 23),
    ("2026-11-03T18:20", "Asia/Kathmandu", 0),  # a quarter to six ahead
    ("2026-10-03T15:20", "Australia/Lord_Howe", 1),
    ("2026-10-03T15:40", "Australia/Lord_Howe", 2),  # the clocks went forward by half an hour, at half past
    ("1999-12-31T23:59", None, 23),
]


@pytest.mark.parametrize(("at", "timezone", "hour"), ODD_CLOCKS)
def test_opens_are_in_local_time_where_clocks_are_odd(at: str, timezone: str | None, hour: int) -> None:
    opened = datetime.fromisoformat(f"{at}+00:00")
    warehouse = gathered([event("ann", "email", "opened", opened, message_ref="m")], timezone)
    assert warehouse.query("select opened_hour from opens").rows() == [(hour,)]


def at(minutes: float) -> datetime:
    return NOW - timedelta(days=9) + timedelta(minutes=minutes)


STORIES = {
    "a click that names no message answers the last one": (
        [("sms", "delivered", 0, "m1"), ("sms", "delivered", 60, "m2"), ("sms", "clicked", 90, None)],
        [(0, 0.0), (60, 1.0)],
    ),
    "a reply has a reference of its own": (
        [("sms", "delivered", 0, "m1"), ("sms", "replied", 30, "r1")],
        [(0, 1.0)],
    ),
    "an arrival told twice is one message": (
        [("push", "delivered", 0, "m1"), ("push", "delivered", 1, None), ("push", "clicked", 5, None)],
        [(0, 1.0)],
    ),
    "an answer a week late answers nothing": (
        [("sms", "delivered", 0, "m1"), ("sms", "clicked", 60 * 24 * 8, None)],
        [(0, 0.0), (60 * 24 * 8, 1.0)],
    ),
    "an answer on another channel is none here": (
        [("sms", "delivered", 0, "m1"), ("push", "delivered", 0, "p1"), ("push", "clicked", 5, None)],
        [(0, 0.0), (0, 1.0)],
    ),
    "opens by machines are no opens": (
        [("email", "delivered", 0, "m1"), ("email", "machine", 1, "m1")],
        [(0, 0.0)],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_what_became_of_messages(story: str) -> None:
    told, expected = STORIES[story]
    events = [
        event(
            "ann",
            channel,
            kind.replace("machine", "opened"),
            at(minutes),
            message_ref=ref,
            is_machine=kind == "machine",
        )
        for channel, kind, minutes, ref in told
    ]
    found = gathered(events, None).query("select received_at, answered from deliveries order by all").rows()
    assert found == [(at(minutes), answered) for minutes, answered in expected]
