"""What may be done on a channel: set-wise for everybody, as the fold says it for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.channels import ADDRESS_TYPES
from cdp.consent import ConsentRules, ContactPoint, Entry, Suppression, fold
from cdp.consent.known import CONTACT_POINT_COLUMNS, ENTRY_COLUMNS, SUPPRESSION_COLUMNS, KnownConsents, known_consents
from cdp.consent.ledger import keep_contact_points, record, suppress
from cdp.store import Store, open_store
from cdp.warehouse import Warehouse
from pipelines.profiles.golden import build_profiles
from pipelines.profiles.metrics import write_metrics
from pipelines.segments.channel_states import describe_channels, write_channel_states
from tests.cdp.test_consent import stated
from tests.pipelines.people import consent, event, observation, profile_id, warehouse_of
from tests.pipelines.runs import NOW

pytestmark = pytest.mark.slow

# Whom the states are asked for, from the best to what says least.
BEST_FIRST = ("granted", "pending", "conflicting", "withdrawn", "denied", "missing")
RULES = ConsentRules.model_validate(
    {
        "opt_out_reaches": {"sms": ["whatsapp"], "web": ["email"]},
        "regions": {"CH": {}, "DE": {"email": ["sms", "push"]}},
    }
)
POINTS = [
    ContactPoint("email", "ann@example.com"),
    ContactPoint("email", "ann@example.org"),
    ContactPoint("phone", "+14155550100"),
    ContactPoint("device_token", "token"),
    ContactPoint("customer_id", "crm:7"),
]
ANN = [
    observation("ann", email=POINTS[0].value, phone=POINTS[2].value, customer_id="crm:7"),
    observation("ann", email=POINTS[1].value, device_token="token", country="DE"),
]
UTC_TIME = pl.Datetime("us", "UTC")


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


def entry(number: int, point: ContactPoint, **said: Any) -> Entry:
    return Entry(
        seq=number, entry_id=f"e{number}", contact_point_id=point.id, contact_point_type=point.type,
        purpose="marketing", basis=None, source="s", actor="a", evidence=None, previous_hash=None, entry_hash="",
        **said,
    )  # fmt: skip


ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "point": st.sampled_from(POINTS),
            "channel": st.sampled_from(["email", "sms", "push", "whatsapp", "web"]),
            "topic": st.sampled_from([None, "news"]),
            "state": st.sampled_from(["granted", "denied", "withdrawn", "pending"]),
            "scope": st.sampled_from(["topic", "channel", "all"]),
            "occurred_at": st.integers(-2, 1).map(day),
            "recorded_at": st.integers(-1, 1).map(day),
        }
    ),
    max_size=6,
).map(lambda rows: [entry(number, **row) for number, row in enumerate(rows)])
SUPPRESSIONS = st.lists(
    st.builds(
        Suppression,
        st.sampled_from(POINTS).map(lambda point: point.id),
        st.sampled_from(["email", "sms", "push", "whatsapp", "all"]),
        st.sampled_from(["stop", "hard_bounce"]),
        source=st.just("s"),
        # The store keeps the latest times: one that is still to come hides an earlier one, so none is.
        occurred_at=st.none() | st.integers(-2, 0).map(day),
        lifted_at=st.none() | st.integers(-2, 1).map(day),
    ),
    max_size=4,
    unique_by=lambda one: (one.contact_point_id, one.channel, one.reason),
)


def frame(rows: list[Any], columns: tuple[str, ...]) -> pl.DataFrame:
    schema = {name: UTC_TIME if name.endswith("_at") else pl.String for name in columns}
    return pl.DataFrame([[getattr(row, name) for name in columns] for row in rows], schema=schema, orient="row")


def prepared(country: str) -> Warehouse:
    met = event("ann", "whatsapp", "delivered")
    warehouse = warehouse_of([{**one, "country": country} for one in ANN], [met])
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    return warehouse


@pytest.fixture(scope="module")
def warehouses() -> Iterator[dict[str, Warehouse]]:
    made = {country: prepared(country) for country in ("CH", "DE", "US")}
    yield made
    for warehouse in made.values():
        warehouse.close()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["CH", "DE", "US"]), ENTRIES, SUPPRESSIONS)
def test_everybody_at_once_is_what_the_fold_says(
    warehouses: dict[str, Warehouse], country: str, entries: list[Entry], suppressions: list[Suppression]
) -> None:
    warehouse = warehouses[country]
    points = pl.DataFrame(
        [(point.id, point.type, point.value) for point in POINTS], schema=list(CONTACT_POINT_COLUMNS), orient="row"
    )
    known = KnownConsents(frame(entries, ENTRY_COLUMNS), frame(suppressions, SUPPRESSION_COLUMNS), points)
    write_channel_states(warehouse, known, RULES, NOW)
    found = warehouse.query("select * exclude (profile_id) from segments.channel_states order by channel").rows()
    types = {point.type for point in POINTS}
    channels = sorted(channel for channel, kind in ADDRESS_TYPES.items() if kind in types)
    assert found == [expected(channel, entries, suppressions, country) for channel in channels]


def expected(
    channel: str, entries: list[Entry], suppressions: list[Suppression], country: str
) -> tuple[str, bool, str, bool]:
    addresses = [point for point in POINTS if point.type == ADDRESS_TYPES[channel]]
    states = [
        fold(
            entries,
            contact_point_id=point.id,
            channel=channel,
            purpose="marketing",
            topic=None,
            as_of=NOW,
            rules=RULES,
            region=country,
        ).state
        for point in addresses
    ]
    suppressed = [
        any(
            one.contact_point_id == point.id and one.channel in (channel, "all") and one.is_active(NOW)
            for one in suppressions
        )
        for point in addresses
    ]
    usable = {state for state, stopped in zip(states, suppressed, strict=True) if not stopped}
    has_left = not {"conflicting", "withdrawn", "denied"}.isdisjoint(states)
    reachable = not usable.isdisjoint({"granted", "pending"}) or ("missing" in usable and not has_left)
    return channel, reachable, min(states, key=BEST_FIRST.index), all(suppressed)


EMAIL, PHONE = {"email": "ann@example.com"}, {"phone": "+14155550100"}
GONE = {"type": "bounce"}


@pytest.mark.parametrize(
    ("address", "channel", "history", "reachable"),
    [
        (EMAIL, "email", [], True),
        (PHONE, "sms", [], True),
        ({"device_token": "token"}, "push", [], True),
        (PHONE, "whatsapp", [], False),
        (PHONE, "whatsapp", ["delivered"], True),
        (EMAIL, "email", ["delivered", "gone"], False),
        (EMAIL, "email", ["gone", "delivered"], True),
        (EMAIL, "email", ["gone", "gone"], False),
        # A full mailbox today says nothing of tomorrow.
        (EMAIL, "email", ["bounced"], True),
        (PHONE, "sms", ["failed"], True),
        (EMAIL, "email", ["unsubscribed"], False),
        # To open an old message is not to subscribe again.
        (EMAIL, "email", ["unsubscribed", "opened", "clicked"], False),
        (EMAIL, "email", ["complained", "delivered"], False),
        # Only a steward lifts a complaint.
        (EMAIL, "email", ["complained", "resubscribed"], False),
        (EMAIL, "email", ["unsubscribed", "resubscribed"], True),
        (EMAIL, "email", ["resubscribed", "unsubscribed"], False),
        (EMAIL, "email", ["unsubscribed", "resubscribed", "gone"], False),
        (PHONE, "sms", ["unsubscribed", "granted"], False),
        (PHONE, "sms", ["unsubscribed", "resubscribed"], True),
        (EMAIL, "email", ["withdrawn"], False),
        (EMAIL, "email", ["denied"], False),
        (EMAIL, "email", ["pending"], True),
        (EMAIL, "email", ["granted", "withdrawn"], False),
        (EMAIL, "email", ["withdrawn", "granted"], True),
        (EMAIL, "email", ["unsubscribed", "granted"], True),
        ({"email": "role@example.com"}, "email", ["delivered"], None),
    ],
)  # fmt: skip
def test_who_can_be_reached(
    store: Store, address: dict[str, Any], channel: str, history: list[str], reachable: bool | None
) -> None:
    told = [told_at(channel, what, day(step - len(history))) for step, what in enumerate(history)]
    assert reached(store, [address], told).get(channel) is reachable


def test_who_left_at_one_address_is_not_written_to_at_another_without_a_word(store: Store) -> None:
    two = {"email": "ann@example.com"}, {"email": "ann@example.org", "source": "shop"}
    left = [told_at("email", "unsubscribed", day(-1))]
    assert reached(store, two, left) == {"email": False}
    gone = [told_at("email", "gone", day(-1))]
    assert reached(store, two, gone) == {"email": True}


@pytest.mark.parametrize("pair", [("unsubscribed", "resubscribed"), ("resubscribed", "unsubscribed")])
def test_of_two_words_at_one_time_the_opt_out_counts(store: Store, pair: tuple[str, str]) -> None:
    assert reached(store, [EMAIL], [told_at("email", what, day(-1)) for what in pair]) == {"email": False}


def told_at(channel: str, what: str, at: datetime) -> dict[str, Any]:
    if what in ("granted", "withdrawn", "denied", "pending"):
        return consent("ann", channel, what, at)
    is_gone = what == "gone"
    return event("ann", channel, "bounced" if is_gone else what, at, properties=GONE if is_gone else {})


def reached(store: Store, addresses: Iterable[dict[str, Any]], told: list[dict[str, Any]]) -> dict[str, bool]:
    warehouse = warehouse_of(
        [observation("ann", **address) for address in addresses],
        [row for row in told if "event_id" in row],
        [row for row in told if "consent_id" in row],
        [("email", "role@example.com", "generic")],
    )
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    describe_channels(warehouse, store, ConsentRules(), as_of=NOW, recorded_at=NOW)
    return dict(warehouse.query("select channel, reachable from segments.channel_states").rows())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.close()


def test_what_a_run_has_just_heard_counts_with_what_the_store_knows(store: Store) -> None:
    """Ann's consent came in over the API, Ben's and Cat's stand in logs, and Ben's number stopped a day later."""
    warehouse = warehouse_of(
        [
            observation("ann", email="ann@example.com"),
            observation("ben", phone="+14155550100"),
            observation("cat", email="cat@example.com"),
            observation("dan", email="dan@example.com"),
        ],
        [event("ben", "sms", "unsubscribed", day(-1)), event("dan", "email", "bounced", properties={"type": "bounce"})],
        [consent("ben", "sms", "granted", day(-2)), consent("cat", "email", "granted", day(-2))],
    )
    build_profiles(warehouse, ())
    write_metrics(warehouse, NOW)
    with store.write() as connection:
        keep_contact_points(connection, POINTS[:1])
        record(connection, [stated("email email granted", on=1)], NOW)
        suppress(connection, [Suppression(POINTS[0].id, "email", "complaint", "s", day(1))], NOW)
    # Nothing is recorded before the publish.
    for _ in range(2):
        describe_channels(warehouse, store, ConsentRules(), as_of=NOW, recorded_at=NOW)
        found = warehouse.query("select * from segments.channel_states order by all").rows()
        assert found == [
            (profile_id("ann"), "email", True, "granted", False),
            (profile_id("ben"), "sms", False, "withdrawn", True),
            (profile_id("ben"), "whatsapp", False, "missing", False),
            (profile_id("cat"), "email", True, "granted", False),
            (profile_id("dan"), "email", False, "missing", True),
        ]
    with store.read() as connection:
        assert known_consents(connection, "marketing").entries.height == 1
