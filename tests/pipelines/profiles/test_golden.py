"""Profiles: which value is shown and where it comes from; what a person has done; who can be reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cdp.metrics.catalogue import OUTCOMES
from cdp.warehouse import Warehouse
from pipelines.profiles.golden import build_profiles
from pipelines.profiles.metrics import write_metrics
from tests.pipelines.people import event, observation, warehouse_of
from tests.pipelines.runs import NOW

pytestmark = pytest.mark.slow


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


CURRENT = "select trait, value, source from profiles.traits where is_current order by trait"


@pytest.mark.parametrize(
    ("observations", "priority", "email"),
    [
        # The most recent value wins …
        ([("crm", "old@x.example", 9, False), ("shop", "new@x.example", 1, False)], (), "new@x.example"),
        # … but a proven one wins over it, whoever has proven it …
        ([("crm", "old@x.example", 9, True), ("shop", "new@x.example", 1, False)], (), "old@x.example"),
        ([("crm", "a@x.example", 2, False), ("mail", "a@x.example", 9, True), ("shop", "b@x.example", 1, False)], (),
         "a@x.example"),
        ([("crm", "a@x.example", 9, True), ("crm", "a@x.example", 2, False), ("shop", "b@x.example", 1, False)], (),
         "a@x.example"),
        # … and a trusted source's over both.
        ([("crm", "old@x.example", 9, True), ("shop", "new@x.example", 1, False)], ("shop",), "new@x.example"),
        ([("crm", "old@x.example", 9, False), ("shop", "new@x.example", 1, True)], ("crm", "shop"), "old@x.example"),
        # Junk is never shown, even if there is nothing else.
        ([("crm", "old@x.example", 9, False), ("shop", "junk@x.example", 1, True)], ("shop",), "old@x.example"),
        ([("shop", "junk@x.example", 1, True)], ("shop",), None),
    ],
)  # fmt: skip
def test_survivorship(observations: list[tuple[str, str, int, bool]], priority: tuple[str, ...], email: str) -> None:
    described = [
        observation("ann", source, email=value, seen=ago(days), is_verified=verified, city=f"city {days}")
        for source, value, days, verified in observations
    ]
    warehouse = warehouse_of(described, qualities=[("email", "junk@x.example", "junk")])
    build_profiles(warehouse, priority)
    assert warehouse.query("select email from profiles.profiles").rows() == [(email,)]


def test_each_trait_has_its_own_source_and_line() -> None:
    warehouse = warehouse_of(
        [
            observation("ann", "crm", first_name="Ann", city="Leeds", seen=ago(9), line_number=7),
            observation("ann", "shop", city="York", seen=ago(1), line_number=3),
        ]
    )
    build_profiles(warehouse, ())
    assert warehouse.query(
        "select trait, value, is_current, source, observed_at, line_number from profiles.traits order by all"
    ).rows() == [
        ("city", "Leeds", False, "crm", ago(9), 7),
        ("city", "York", True, "shop", ago(1), 3),
        ("first_name", "Ann", True, "crm", ago(9), 7),
    ]
    assert warehouse.query(
        "select first_name, city, created_at, last_seen_at, source_count, observation_count from profiles.profiles"
    ).rows() == [("Ann", "York", ago(9), ago(1), 2, 2)]


@pytest.mark.parametrize(
    ("taken_back_by", "days_ago", "city"),
    [("web", 3, "York"), ("shop", 3, "Leeds"), ("web", 12, "Leeds")],
)
def test_null_takes_a_trait_back_from_its_source(taken_back_by: str, days_ago: float, city: str) -> None:
    warehouse = warehouse_of(
        [
            observation("ann", "web", city="Leeds", seen=ago(9)),
            observation("ann", "shop", city="York", seen=ago(20)),
        ],
        [
            event("ann", "web", "identified", ago(days_ago), source=taken_back_by, properties={"city": None}),
            event("ann", "web", "identified", ago(1), source="web", properties={"city": ""}),
        ],
    )
    build_profiles(warehouse, ())
    assert [row for row in warehouse.query(CURRENT).rows() if row[0] == "city"] == [
        ("city", city, "shop" if city == "York" else "web")
    ]


def test_traits_of_other_names_are_told_by_events() -> None:
    def told(days: float, **values: Any) -> dict[str, Any]:
        return event("ann", "web", "identified", ago(days), source="web", line_number=int(days), properties=values)

    warehouse = warehouse_of(
        [observation("ann", "web", city="Leeds", seen=ago(9))],
        [
            told(9, plan="basic", seats=4, is_admin=False, left="x", tags=["a"], company={"name": "b"}),
            told(3, plan="gold", left=None),
            # An empty text takes nothing back; what is a column of the person is told by observations alone.
            told(1, plan="", city="York", first_name="Ann", language="en"),
        ],
    )
    build_profiles(warehouse, ())
    assert warehouse.query("select trait, value, is_current, line_number from profiles.traits order by all").rows() == [
        ("city", "Leeds", True, 1),
        ("is_admin", "false", True, 9),
        ("left", "x", False, 9),
        ("plan", "basic", False, 9),
        ("plan", "gold", True, 3),
        ("seats", "4", True, 9),
    ]


def test_a_tie_is_settled_the_same_way_every_time() -> None:
    rows = [observation("ann", "crm", city=city) for city in ("York", "Leeds", "Bath")]
    found = set()
    for order in (rows, rows[::-1]):
        warehouse = warehouse_of(order)
        build_profiles(warehouse, ())
        found.add(warehouse.scalar("select city from profiles.profiles"))
    assert found == {"Bath"}


def measured(events: list[dict[str, Any]], as_of: datetime = NOW) -> Warehouse:
    warehouse = warehouse_of(events=events)
    build_profiles(warehouse, ())
    write_metrics(warehouse, as_of)
    return warehouse


def metrics(events: list[dict[str, Any]], *names: str, as_of: datetime = NOW) -> tuple[Any, ...]:
    return measured(events, as_of).query(f"select {', '.join(names)} from profiles.metrics").row(0)


def order(number: int, amount: float | None, **values: Any) -> dict[str, Any]:
    properties = {"order_id": str(number) if number else None}
    return event(
        "ann", "web", values.pop("event_type", "ordered"), values.pop("at", ago(3)), amount=amount,
        **{"currency": "USD", "source": "shopify", **values}, properties=properties,
    )  # fmt: skip


def refund(number: int, amount: float, **values: Any) -> dict[str, Any]:
    return order(number, amount, event_type="refunded", **values)


NONE = Decimal("0.00")


@pytest.mark.parametrize(
    ("events", "count", "value", "average", "currency"),
    [
        ([order(1, 10), order(2, 20)], 2, 30, 15, "USD"),
        # Reported by shop and web tracking: once, with the shop's figures.
        ([order(1, 10), order(1, 9, source="segment", at=ago(4))], 1, 10, 10, "USD"),
        ([order(1, None), order(1, 9, source="segment")], 1, None, None, "USD"),
        ([order(0, 10, at=ago(1)), order(0, 10, at=ago(2))], 2, 20, 10, "USD"),
        # Refunds are taken off their order, up to its amount.
        ([order(1, 10), refund(1, 4)], 1, 6, 10, "USD"),
        ([order(1, 10), order(2, 5), refund(1, 10), refund(1, 10, at=ago(1))], 2, 5, 7.5, "USD"),
        ([order(1, 10), refund(1, 2), refund(1, 3, at=ago(1))], 1, 5, 10, "USD"),
        ([order(1, 10), refund(1, 4), refund(1, 4, source="segment")], 1, 6, 10, "USD"),
        ([order(1, 10), refund(1, -4)], 1, 6, 10, "USD"),
        ([order(1, 10), refund(99, 4)], 1, 10, 10, "USD"),
        ([order(1, 10), refund(0, 4)], 1, 6, 10, "USD"),
        ([order(1, 10), refund(0, 40)], 1, 0, 10, "USD"),
        ([order(1, 10), refund(1, 4, currency="EUR")], 1, 10, 10, "USD"),
        # The main currency is that of most orders; amounts in others are not added to it.
        ([order(1, 10), order(2, 7, currency="EUR"), order(3, 9, currency="EUR")], 3, 16, 8, "EUR"),
        ([order(1, 10), order(2, 7, currency="EUR")], 2, 7, 7, "EUR"),
        ([order(1, 10, currency=None), order(2, 5, currency=None), refund(2, 1, currency=None)], 2, 14, 7.5, None),
        ([event("ann", "web", "viewed")], 0, 0, None, None),
    ],
)
def test_orders_and_refunds(
    events: list[dict[str, Any]], count: int, value: float | None, average: float | None, currency: str | None
) -> None:
    found = metrics(events, "order_count", "order_value", "average_order_value", "currency")
    assert found == (count, Decimal(str(value or 0)), average and Decimal(str(average)), currency)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        # sent, delivered, opened, clicked, replied, bounced, unsubscribed: each message once.
        (["sent", "delivered", "opened", "opened", "clicked"], (1, 1, 1, 1, 0, 0, 0)),
        (["opened"], (1, 1, 1, 0, 0, 0, 0)),
        (["delivered"], (1, 1, 0, 0, 0, 0, 0)),
        (["queued", "deferred"], (0, 0, 0, 0, 0, 0, 0)),
        (["sent", "bounced"], (1, 0, 0, 0, 0, 1, 0)),
        (["complained"], (0, 0, 0, 0, 0, 0, 1)),
    ],
)
def test_messages(events: list[str], expected: tuple[int, ...]) -> None:
    done = [event("ann", "email", kind, ago(n), message_ref="m1") for n, kind in enumerate(events)]
    names = [f"email_{what}_count" for what in OUTCOMES if what != "converted"]
    assert metrics(done, *names) == expected
    assert metrics(done, *[name.replace("email", "sms") for name in names]) == (0,) * 7


def test_what_machines_did_counts_for_nothing() -> None:
    machine = event("ann", "email", "opened", ago(1), message_ref="m1", is_machine=True)
    names = ("event_count", "email_opened_count", "last_active_at", "recency_days")
    assert metrics([event("ann", "email", "sent", ago(2), message_ref="m1"), machine], *names) == (1, 0, None, None)


@pytest.mark.parametrize(("hours", "days"), [(0, 0), (23, 0), (25, 1), (47, 1), (24 * 90 - 1, 89)])
def test_recency_is_in_whole_days(hours: int, days: int) -> None:
    assert metrics([event("ann", "web", "viewed", NOW - timedelta(hours=hours))], "recency_days") == (days,)


def test_as_of_what_comes_later_is_not_known_yet() -> None:
    events = [order(1, 10, at=ago(100)), order(2, 20, at=ago(50)), order(3, 40, at=ago(5)), refund(1, 10, at=ago(4))]
    names = ("order_count", "order_count_90d", "order_value", "last_order_at", "event_count")
    assert metrics(events, *names) == (3, 2, 60, ago(5), 4)
    assert metrics(events, *names, as_of=ago(20)) == (2, 2, 30, ago(50), 2)
    assert metrics(events, *names, as_of=ago(200)) == (0, 0, 0, None, 0)


def test_times_are_utc() -> None:
    assert metrics([event("ann", "web", "viewed", datetime(2026, 1, 1, tzinfo=UTC))], "first_event_at::varchar") == (
        "2026-01-01 00:00:00+00",
    )
