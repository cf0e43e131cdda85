"""Metrics: windows to the second, what converts, cadence, lifecycle, scores; and the same as a plain formulation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.channels import BY_NAME, MESSAGE_CHANNELS
from cdp.fields import LIFECYCLE_STAGES
from cdp.metrics.catalogue import METRICS, OUTCOMES, WINDOWS_DAYS
from cdp.warehouse import Warehouse
from pipelines.profiles.golden import build_profiles
from pipelines.profiles.metrics import write_metrics
from tests.pipelines.people import event, observation, profile_id, warehouse_of
from tests.pipelines.runs import NOW

pytestmark = pytest.mark.slow

Event = dict[str, Any]


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def measured(events: list[Event], as_of: datetime = NOW, people: tuple[str, ...] = ()) -> Warehouse:
    described = [observation(name, email=f"{name}@x.example", seen=ago(400)) for name in people]
    warehouse = warehouse_of(described, events)
    build_profiles(warehouse, ())
    write_metrics(warehouse, as_of)
    return warehouse


def metrics(events: list[Event], *names: str, as_of: datetime = NOW, person: str = "ann") -> tuple[Any, ...]:
    found = measured(events, as_of, (person,)).query(
        f"select {', '.join(names)} from profiles.metrics where profile_id = $1", [profile_id(person)]
    )
    return found.row(0)


def order(days: float, amount: float = 10, person: str = "ann", **values: Any) -> Event:
    kind = values.pop("event_type", "ordered")
    return event(person, "web", kind, ago(days), amount=amount, **{"currency": "USD", **values})


def message(kind: str, days: float, ref: str = "m1", channel: str = "email", person: str = "ann") -> Event:
    return event(person, channel, kind, ago(days), message_ref=ref)


SECOND = 1 / 86400


@pytest.mark.parametrize(
    ("days", "in_windows"),
    [
        (0, (1, 1, 1, 1)),
        (7 - SECOND, (1, 1, 1, 1)),
        (7, (0, 1, 1, 1)),
        (30 - SECOND, (0, 1, 1, 1)),
        (30, (0, 0, 1, 1)),
        (90, (0, 0, 0, 1)),
        (365 - SECOND, (0, 0, 0, 1)),
        (365, (0, 0, 0, 0)),
    ],
)
def test_a_window_ends_to_the_second(days: float, in_windows: tuple[int, ...]) -> None:
    events = [order(days), message("clicked", days)]
    for name in ("order_count", "active_day_count", "email_clicked_count", "email_delivered_count"):
        assert metrics(events, *[f"{name}_{window}d" for window in WINDOWS_DAYS]) == in_windows, name


@pytest.mark.parametrize(
    ("as_of", "at", "days"),
    [
        # A leap day is a day like others: 365 days reach back to the day after.
        ("2028-02-29T12:00:00Z", "2027-03-01T12:00:00Z", 365),
        ("2028-03-01T12:00:00Z", "2028-02-29T12:00:00Z", 1),
        ("2027-03-01T12:00:00Z", "2027-02-28T12:00:00Z", 1),
        # Where clocks change (Berlin, New York), days stay 24 hours long.
        ("2026-10-25T12:00:00Z", "2026-10-24T12:00:00Z", 1),
        ("2026-03-29T01:30:00Z", "2026-03-28T01:30:00Z", 1),
        ("2026-11-01T06:30:00Z", "2026-10-31T06:30:01Z", 0),
    ],
)
def test_calendars_and_clock_changes_count_for_nothing(as_of: str, at: str, days: int) -> None:
    then = datetime.fromisoformat(at)
    found = metrics([order(0) | {"occurred_at": then}], "order_recency_days", as_of=datetime.fromisoformat(as_of))
    assert found == (days,)


def test_somebody_who_has_done_nothing_has_no_more_than_zeros() -> None:
    row = measured([], people=("ann",)).query("select * from profiles.metrics").row(0, named=True)
    assert row.pop("profile_id") == profile_id("ann")
    assert (row.pop("tenure_days"), row.pop("lifecycle_stage")) == (400, "dormant")
    assert all(value in (None, 0) for value in row.values())
    assert {name for name, value in row.items() if value is None} == {
        metric.name for metric in METRICS if metric.none is None
    }


def test_one_event_has_no_cadence() -> None:
    names = ("order_count", "order_cadence_days", "active_cadence_days", "active_day_count", "order_recency_days")
    assert metrics([order(5)], *names) == (1, None, None, 1, 5)


def test_cadence_is_the_middle_of_the_gaps() -> None:
    gaps = [order(days) for days in (100, 90, 81, 10)]
    assert metrics(gaps, "order_cadence_days", "active_cadence_days") == (10.0, 30.0)


CLICK, ORDER = [message("clicked", 10)], [order(9)]


@pytest.mark.parametrize(
    ("events", "converted"),
    [
        ([*CLICK, *ORDER], {"email": 1}),
        # Up to seven days, and not before the click.
        ([*CLICK, order(3 + SECOND)], {"email": 1}),
        ([*CLICK, order(3)], {}),
        ([*CLICK, order(10 + SECOND)], {}),
        ([*CLICK, order(10)], {"email": 1}),
        # To be opened is not to be answered.
        ([message("opened", 10), *ORDER], {}),
        ([message("replied", 10, channel="sms"), *ORDER], {"sms": 1}),
        # The last answer counts, on whichever channel …
        ([*CLICK, message("clicked", 9.5, "m2", "sms"), *ORDER], {"sms": 1}),
        # … each message once, and each order for one message.
        ([*CLICK, *ORDER, order(8)], {"email": 1}),
        ([*CLICK, message("clicked", 8.5, "m2"), *ORDER, order(8)], {"email": 2}),
        ([*CLICK, order(9, person="ben")], {}),
    ],
)
def test_what_converts(events: list[Event], converted: dict[str, int]) -> None:
    names = [f"{channel}_converted_count" for channel in MESSAGE_CHANNELS]
    assert metrics(events, *names) == tuple(converted.get(channel, 0) for channel in MESSAGE_CHANNELS)


def test_a_conversion_falls_into_the_window_of_its_order() -> None:
    events = [message("clicked", 31), order(29)]
    assert metrics(events, "email_clicked_count_30d", "email_converted_count_30d") == (0, 1)


@pytest.mark.parametrize(
    ("orders", "stage"),
    [
        ([], "dormant"),
        ([5], "new"),
        ([29.9, 12], "new"),
        ([30], "active"),
        # Without an own rhythm, 45 days are usual.
        ([90], "active"),
        ([91], "at_risk"),
        ([180], "at_risk"),
        ([181], "lapsed"),
        # Weekly buyers are missed sooner, yearly ones later.
        ([100, 93, 86, 79, 72, 65, 51], "lapsed"),
        ([60, 53, 46, 39, 32, 25, 15], "at_risk"),
        ([760, 580, 400, 220], "active"),
        # Every day is no rhythm.
        ([40, 39, 38, 37, 13], "active"),
        # Back after a silence that was long for them.
        ([400, 393, 386, 379, 372, 5], "won_back"),
        ([400, 10], "won_back"),
        ([500, 100, 95, 90], "lapsed"),
    ],
)
def test_lifecycle(orders: list[float], stage: str) -> None:
    assert metrics([order(days) for days in orders], "lifecycle_stage") == (stage,)


@pytest.mark.parametrize(("days", "stage"), [(89, "prospect"), (90, "dormant")])
def test_who_never_ordered_is_a_prospect_while_there_is_interest(days: float, stage: str) -> None:
    assert metrics([event("ann", "web", "viewed", ago(days))], "lifecycle_stage") == (stage,)
    # What we send is no interest.
    assert metrics([message("sent", days)], "lifecycle_stage") == ("dormant",)


def test_every_stage_has_its_word() -> None:
    assert len(set(LIFECYCLE_STAGES)) == len(LIFECYCLE_STAGES)


def test_scores_are_fifths_of_the_customers() -> None:
    people = [f"p{number}" for number in range(10)]
    events = [order(number, amount=number, person=name) for number, name in enumerate(people)]
    rows = measured([*events, event("ann", "web", "viewed")]).query(
        "select profile_id, recency_score, frequency_score, value_score from profiles.metrics"
    )
    scores = {name: rest for name, *rest in rows.rows()}
    assert [scores[profile_id(name)][0] for name in people] == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert [scores[profile_id(name)][2] for name in people] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    # Equals have one score, and who is no customer has none.
    assert {scores[profile_id(name)][1] for name in people} == {1}
    assert scores[profile_id("ann")] == [None, None, None]


def test_money_of_two_currencies_is_not_compared() -> None:
    events = [order(1, 1000, person="ann", currency="JPY"), order(1, 10, person="ben")]
    assert measured(events).query("select value_score from profiles.metrics")["value_score"].to_list() == [1, 1]


def test_value_in_a_window_is_net_of_the_refunds_of_its_orders() -> None:
    def told(days: float, kind: str, number: str | None, amount: float) -> Event:
        return order(days, amount, event_type=kind, properties={"order_id": number})

    events = [told(40, "ordered", "1", 50), told(5, "ordered", "2", 30), told(3, "refunded", "1", 20)]
    names = ("order_value", "order_value_30d", "order_value_90d")
    assert metrics(events, *names) == (60, 30, 60)
    assert metrics([*events, told(2, "refunded", None, 7)], *names) == (53, 23, 53)


def test_somebody_with_a_million_events_is_counted_like_others() -> None:
    warehouse = warehouse_of([observation("ann", customer_id="1")], [message("delivered", 1), order(2)])
    warehouse.run(
        "insert into conformed.events by name select e.* replace (md5(n::varchar) as event_id, 'm' || (n // 2) as "
        "message_ref, occurred_at - to_seconds(n) as occurred_at) from conformed.events e, range(1, 1000000) t(n) "
        "where event_type = 'delivered'"
    )
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    counted = warehouse.query("select event_count, email_delivered_count, order_count from profiles.metrics")
    assert counted.rows() == [(1_000_001, 500_000, 1)]


KINDS = (
    "sent",
    "delivered",
    "opened",
    "clicked",
    "replied",
    "bounced",
    "unsubscribed",
    "complained",
    "viewed",
    "ordered",
)
COUNTS_AS = {
    "sent": {"sent", "delivered", "opened", "clicked", "bounced"},
    "delivered": {"delivered", "opened", "clicked"},
    "unsubscribed": {"unsubscribed", "complained"},
}
EVENTS = st.lists(
    st.builds(
        lambda kind, channel, ref, hours, person: event(
            person,
            channel,
            kind,
            NOW - timedelta(hours=hours),
            message_ref=ref,
            amount=3 if kind == "ordered" else None,
        ),
        st.sampled_from(KINDS),
        st.sampled_from(("email", "sms", "whatsapp", "web")),
        st.sampled_from(("m1", "m2", "m3", None)),
        st.integers(0, 24 * 400),
        st.sampled_from(("ann", "ben")),
    ),
    max_size=30,
    unique_by=lambda one: one["event_id"],
)


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_the_same_as_counted_one_by_one(events: list[Event]) -> None:
    warehouse = measured(events, people=("ann", "ben"))
    rows = {row["profile_id"]: row for row in warehouse.query("select * from profiles.metrics").rows(named=True)}
    for person in ("ann", "ben"):
        mine = [one for one in events if one["person"] == person]
        for name, expected in counted_plainly(mine).items():
            assert rows[profile_id(person)][name] == expected, name


def counted_plainly(events: list[Event]) -> dict[str, Any]:
    """The counts of one person as their definitions read."""
    found: dict[str, Any] = {"event_count": len(events)}
    for days in (None, *WINDOWS_DAYS):
        recent = [one for one in events if days is None or one["occurred_at"] > ago(days)]
        suffix = f"_{days}d" if days else ""
        orders = [one for one in recent if one["event_type"] == "ordered"]
        found[f"order_count{suffix}"] = len(orders)
        for channel in MESSAGE_CHANNELS:
            for outcome in set(OUTCOMES if days is None else BY_NAME[channel].windowed_outcomes) - {"converted"}:
                kinds = COUNTS_AS.get(outcome, {outcome})
                found[f"{channel}_{outcome}_count{suffix}"] = len(
                    {
                        one["message_ref"] or one["event_id"]
                        for one in recent
                        if one["channel"] == channel and one["event_type"] in kinds
                    }
                )
    active = [one for one in events if one["event_type"] in ("opened", "clicked", "replied", "viewed", "ordered")]
    found["active_day_count"] = len({one["occurred_at"].astimezone(UTC).date() for one in active})
    found["last_active_at"] = max((one["occurred_at"] for one in active), default=None)
    return found
