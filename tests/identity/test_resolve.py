"""Resolution as a table of cases: observations in, groups out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.identity.observations import (
    JANUARY,
    NOTHING_KNOWN,
    add_observations,
    groups,
    known_after,
    observation_id,
    resolved,
    warehouse_of,
)

pytestmark = pytest.mark.slow

LATER = JANUARY + timedelta(days=200)
AT_HOME = {"street": "4 Hill Road", "city": "York", "postcode": "YO1 7HU"}


def together(*names: str) -> frozenset[str]:
    return frozenset(names)


TOUCHED = {"email": "gray@mail.example", "phone": "+14155550127"}


def called(given: str, *, source: str = "shop", **more: Any) -> dict[str, Any]:
    return {"source": source, "first_name": given, "last_name": "Gray", **more}


CASES: dict[str, tuple[dict[str, dict[str, Any]], set[frozenset[str]]]] = {
    "a unique e-mail joins its observations": (
        {
            "shop": {
                "source": "shopify",
                "email": "ann@mail.example",
                "first_name": "Ann",
                "last_name": "Lee",
            },
            "mail": {"source": "sendgrid", "email": "ann@mail.example"},
        },
        {together("shop", "mail")},
    ),
    "a chain of different identifiers joins its ends": (
        {
            "crm": {"email": "ann@mail.example", "first_name": "Ann", "last_name": "Lee"},
            "shop": {"source": "shopify", "email": "ann@mail.example", "phone": "+14155550123"},
            "sms": {"source": "twilio", "phone": "+14155550123"},
        },
        {together("crm", "shop", "sms")},
    ),
    "a family's e-mail joins only observations with the same name": (
        {
            "ann crm": {"email": "lees@mail.example", "first_name": "Ann", "last_name": "Lee"},
            "ann shop": {
                "source": "shopify",
                "email": "lees@mail.example",
                "first_name": "Ann",
                "last_name": "Lee",
            },
            "bob crm": {"email": "lees@mail.example", "first_name": "Bob", "last_name": "Lee"},
            "mail": {"source": "sendgrid", "email": "lees@mail.example"},
        },
        {together("ann crm", "ann shop"), together("bob crm"), together("mail")},
    ),
    "a nickname is the same name": (
        {
            "bill": {"email": "w@mail.example", "first_name": "Bill", "last_name": "Hart"},
            "william": {
                "source": "shopify",
                "email": "w@mail.example",
                "first_name": "William",
                "last_name": "Hart",
            },
        },
        {together("bill", "william")},
    ),
    "a test address does not join": (
        {
            "ann": {"email": "test@test.com", "first_name": "Ann", "last_name": "Lee"},
            "kim": {"email": "test@test.com", "first_name": "Kim", "last_name": "Roe"},
            "nobody": {"source": "sendgrid", "email": "test@test.com"},
        },
        {together("ann"), together("kim"), together("nobody")},
    ),
    "a made-up phone does not join": (
        {
            "ann": {"phone": "+10000000000", "first_name": "Ann", "last_name": "Lee"},
            "sms": {"source": "twilio", "phone": "+10000000000"},
        },
        {together("ann"), together("sms")},
    ),
    "a role mailbox does not join": (
        {
            "ann": {"email": "info@firm.example", "first_name": "Ann", "last_name": "Lee"},
            "shop": {"source": "shopify", "email": "info@firm.example"},
        },
        {together("ann"), together("shop")},
    ),
    "a recycled number joins each holder's observations but not the holders": (
        {
            "ann": {"phone": "+14155550188", "first_name": "Ann", "last_name": "Lee"},
            "kim": {
                "phone": "+14155550188",
                "first_name": "Kim",
                "last_name": "Roe",
                "first_seen_at": LATER,
                "last_seen_at": LATER,
            },
            "sms to kim": {
                "source": "twilio",
                "phone": "+14155550188",
                "first_seen_at": LATER + timedelta(days=1),
                "last_seen_at": LATER + timedelta(days=2),
            },
            "sms to either": {
                "source": "whatsapp",
                "phone": "+14155550188",
                "last_seen_at": LATER + timedelta(days=9),
            },
        },
        {together("ann"), together("kim", "sms to kim"), together("sms to either")},
    ),
    "a number passed from mother to daughter does not join them, nor does the model": (
        {
            "mother": {**AT_HOME, "phone": "+14155550188", "first_name": "Ann", "last_name": "Lee"},
            "daughter": {
                **AT_HOME,
                "source": "shopify",
                "phone": "+14155550188",
                "first_name": "Ruth",
                "last_name": "Lee",
                "first_seen_at": LATER,
                "last_seen_at": LATER,
            },
        },
        {together("mother"), together("daughter")},
    ),
    "an e-mail that is just a name does not join people with nothing else in common": (
        {
            "leeds": {
                "email": "ann.lee@mail.example",
                "first_name": "Ann",
                "last_name": "Lee",
                "phone": "+14155550101",
                "date_of_birth": date(1980, 3, 12),
            },
            "york": {
                "source": "shopify",
                "email": "ann.lee@mail.example",
                "first_name": "Ann",
                "last_name": "Lee",
                "phone": "+14155550102",
                "date_of_birth": date(1954, 11, 30),
            },
            "mail": {"source": "sendgrid", "email": "ann.lee@mail.example"},
        },
        {together("leeds"), together("york"), together("mail")},
    ),
    "an e-mail that is just a name joins its holder's records": (
        {
            "before the move": {
                "email": "ann.lee@mail.example",
                "first_name": "Ann",
                "last_name": "Lee",
                "phone": "+14155550101",
                "date_of_birth": date(1980, 3, 12),
            },
            "after the move": {
                "source": "shopify",
                "email": "ann.lee@mail.example",
                "first_name": "Ann",
                "last_name": "Lee",
                "phone": "+14155550102",
                "date_of_birth": date(1980, 3, 12),
            },
            "mail": {"source": "sendgrid", "email": "ann.lee@mail.example"},
        },
        {together("before the move", "after the move", "mail")},
    ),
    "first and last name may be swapped": (
        {
            "crm": {"email": "kz@mail.example", "first_name": "Keiko", "last_name": "Zimmer"},
            "shop": {"source": "shopify", "email": "kz@mail.example", "first_name": "Zimmer", "last_name": "Keiko"},
            "mail": {"source": "sendgrid", "email": "kz@mail.example"},
        },
        {together("crm", "shop", "mail")},
    ),
    "an ordinary number used by many people does not join": (
        {
            name: {"phone": "+14155550177", "first_name": name, "last_name": "Lee"}
            for name in ("Ann", "Bob", "Carl", "Dora", "Emil", "Fritz", "Gwen")
        }
        | {"sms": {"source": "twilio", "phone": "+14155550177"}},
        {together(name) for name in ("Ann", "Bob", "Carl", "Dora", "Emil", "Fritz", "Gwen", "sms")},
    ),
    "suffixes separate a father and son with one mailbox": (
        {
            "father": {**AT_HOME, "email": "marsh@mail.example", "first_name": "John", "last_name": "Marsh Sr."},
            "son": {
                **AT_HOME,
                "source": "shopify",
                "email": "marsh@mail.example",
                "first_name": "John",
                "last_name": "Marsh Jr.",
            },
        },
        {together("father"), together("son")},
    ),
    "a tablet used by two customers does not join": (
        {
            "ann": {"source": "segment", "device_token": "tablet-1", "customer_id": "u1"},
            "bob": {"source": "segment", "device_token": "tablet-1", "customer_id": "u2"},
            "push": {"source": "fcm", "device_token": "tablet-1"},
        },
        {together("ann"), together("bob"), together("push")},
    ),
    "a phone's token joins pushes to its only owner": (
        {
            "ann": {"source": "segment", "device_token": "phone-1", "customer_id": "u1"},
            "push": {"source": "fcm", "device_token": "phone-1"},
        },
        {together("ann", "push")},
    ),
    "the chat of a messenger joins what is written there to its only owner, whatever else is known of both": (
        {
            "crm": {"customer_id": "7", "first_name": "Ann", "external_ids": '{"telegram_chat": "1111111"}'},
            "chat": {"source": "telegram", "external_ids": '{"telegram_chat":"1111111"}', "language": "de"},
            "other": {"source": "telegram", "external_ids": '{"telegram_chat":"2222222"}', "language": "de"},
        },
        {together("crm", "chat"), together("other")},
    ),
    "names, birthday and street join observations without a shared identifier": (
        {
            "crm": {
                "first_name": "Katherine",
                "last_name": "Whitford",
                "date_of_birth": date(1971, 4, 3),
                "street": "12 Mill Lane",
                "city": "Leeds",
                "postcode": "LS1 4AP",
            },
            "shop": {
                "source": "shopify",
                "first_name": "Kathrine",
                "last_name": "Whitford",
                "date_of_birth": date(1971, 4, 3),
                "street": "12 Mill Lane",
                "city": "Leeds",
                "postcode": "LS1 4AP",
            },
        },
        {together("crm", "shop")},
    ),
    "a father and son of one name at one address are two people": (
        {
            "father": {
                "first_name": "John",
                "last_name": "Marsh",
                "date_of_birth": date(1950, 2, 11),
                "street": "4 Hill Road",
                "city": "York",
            },
            "son": {
                "first_name": "John",
                "last_name": "Marsh",
                "date_of_birth": date(1984, 9, 30),
                "street": "4 Hill Road",
                "city": "York",
            },
        },
        {together("father"), together("son")},
    ),
    "a letter in a short name is a typo where e-mail and phone agree": (
        {"dawn": called("Dawn", **TOUCHED), "dan": called("Dan", **TOUCHED), "mail": {"email": TOUCHED["email"]}},
        {together("dawn", "dan", "mail")},
    ),
    "it is a sibling's name where a family has one e-mail": (
        {"tim": called("Tim", email=TOUCHED["email"]), "tom": called("Tom", email=TOUCHED["email"])},
        {together("tim"), together("tom")},
    ),
    "or where a shop knows them as two customers": (
        {"tim": called("Tim", customer_id="1", **TOUCHED), "tom": called("Tom", customer_id="2", **TOUCHED)},
        {together("tim"), together("tom")},
    ),
    "a customer number outweighs a letter": (
        {"mary": called("Mary", customer_id="1"), "mry": called("Mry", customer_id="1")},
        {together("mary", "mry")},
    ),
    "a customer number alone does not outweigh another name": (
        {"ann": called("Ann", customer_id="1"), "bob": called("Bob", customer_id="1")},
        {together("ann"), together("bob")},
    ),
    "customer number, e-mail and phone outweigh any name": (
        {"ann": called("Ann", customer_id="1", **TOUCHED), "bob": called("Bob", customer_id="1", **TOUCHED)},
        {together("ann", "bob")},
    ),
    "what is no name is no second person": (
        {"ann": called("Ann", email="g@mail.example"), "token": called("371e7a219b8f", email="g@mail.example")},
        {together("ann", "token")},
    ),
    "senior and junior are written in many ways": (
        {
            "father": {"first_name": "John", "last_name": "Gray Senior", **TOUCHED},
            "the same": {"first_name": "John Sr.", "last_name": "Gray", **TOUCHED},
            "son": {"first_name": "John", "last_name": "Gray Jr", **TOUCHED},
        },
        {together("father", "the same"), together("son")},
    ),
    "two customers of one name with other birthdays are two people": (
        {
            "father": called("John", customer_id="1", date_of_birth=date(1980, 3, 12), **TOUCHED),
            "son": called("John", customer_id="2", date_of_birth=date(1988, 5, 17), **TOUCHED),
        },
        {together("father"), together("son")},
    ),
    "ids that lost a letter on their way join nobody": (
        {
            "ann": called("Ann", customer_id="k\ufffd", email="ann@mail.example"),
            "bob": called("Bo", customer_id="k\ufffd", email="bob@mail.example"),
            "anne": {"anonymous_id": "k\ufffd", "source": "web"},
            "anna": {"anonymous_id": "k\ufffd", "source": "segment"},
        },
        {together("ann"), together("bob"), together("anne"), together("anna")},
    ),
    "siblings at one address are two people": (
        {
            "tom": {
                "first_name": "Tom",
                "last_name": "Marsh",
                "date_of_birth": date(1990, 1, 2),
                "street": "4 Hill Road",
            },
            "eve": {
                "first_name": "Eve",
                "last_name": "Marsh",
                "date_of_birth": date(1992, 5, 6),
                "street": "4 Hill Road",
            },
        },
        {together("tom"), together("eve")},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_case_resolves_to_the_expected_groups(case: str) -> None:
    observations, expected = CASES[case]
    assert groups(resolved(warehouse_of(observations), list(observations))) == expected


def test_a_re_run_keeps_every_id() -> None:
    observations, _ = CASES["a family's e-mail joins only observations with the same name"]
    warehouse = warehouse_of(observations)
    first = resolved(warehouse, list(observations))
    assert resolved(warehouse, list(observations), known_after(warehouse)) == first


def test_a_merge_keeps_the_larger_profile_and_leaves_an_alias() -> None:
    start = {
        "shop": {"source": "shopify", "email": "ann@mail.example"},
        "mail": {"source": "sendgrid", "email": "ann@mail.example"},
        "sms": {"source": "twilio", "phone": "+14155550123"},
    }
    warehouse = warehouse_of(start)
    before = resolved(warehouse, list(start))
    add_observations(
        warehouse,
        {"crm": {"email": "ann@mail.example", "phone": "+14155550123"}},
        "run_20260201T000000_000000",
    )
    after = resolved(warehouse, [*start, "crm"], known_after(warehouse), "run_20260201T000000_000000")
    assert set(after.values()) == {before["shop"]}
    aliases = warehouse.query("from identity.aliases").rows()
    assert aliases == [(before["sms"], before["shop"])]
    merged = warehouse.query(
        "select profile_id, other_profile_id from identity.profile_changes where reason = 'merged'"
    )
    assert merged.rows() == [(before["sms"], before["shop"])]


def test_a_stewards_unlink_separates_and_a_link_joins() -> None:
    people = {
        "a": {"source": "shopify", "email": "ann@mail.example"},
        "b": {"source": "sendgrid", "email": "ann@mail.example"},
        "c": {"source": "twilio", "phone": "+14155550123"},
    }
    pair = {"left_id": [observation_id("a")], "right_id": [observation_id("b")]}
    unlinked = replace(NOTHING_KNOWN, unlinks=pl.DataFrame(pair))
    warehouse = warehouse_of(people)
    assert groups(resolved(warehouse, list(people), unlinked)) == {together("a"), together("b"), together("c")}
    assert warehouse.scalar('select "constraint" from identity.refusals') == "steward_unlink"
    linked = replace(
        NOTHING_KNOWN,
        links=pl.DataFrame({"left_id": [observation_id("c")], "right_id": [observation_id("a")]}),
    )
    assert groups(resolved(warehouse_of(people), list(people), linked)) == {together("a", "b", "c")}


PEOPLE = st.dictionaries(
    st.sampled_from([f"o{number}" for number in range(9)]),
    st.fixed_dictionaries(
        {},
        optional={
            "source": st.sampled_from(["crm", "shopify", "twilio"]),
            "email": st.sampled_from(["a@x.example", "b@x.example", "test@test.com"]),
            "phone": st.sampled_from(["+14155550101", "+14155550102", "+10000000000"]),
            "first_name": st.sampled_from(["Ann", "Bob", "Anne"]),
            "last_name": st.sampled_from(["Lee", "Roe"]),
            "customer_id": st.sampled_from(["1", "2"]),
        },
    ),
    min_size=1,
)


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(people=PEOPLE, order=st.randoms())
def test_arrival_order_changes_neither_groups_nor_ids(people: dict[str, dict[str, Any]], order: Any) -> None:
    shuffled = list(people.items())
    order.shuffle(shuffled)
    in_order = resolved(warehouse_of(people), list(people))
    assert resolved(warehouse_of(dict(shuffled)), list(people)) == in_order
