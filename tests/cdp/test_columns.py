"""Mapping files: validation, inference from headers, and the generated SELECT."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.errors import ConfigurationError
from cdp.sources.columns import ColumnMapping, describe, guess_mapping, load_mapping, select_for
from tests.cdp.mapping import RECEIVED, Row, has_an_outcome, map_items, seen

pytestmark = pytest.mark.slow

BEHAVIOUR = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "behaviour"

CONTACTS = ColumnMapping(
    source="crm",
    kind="contacts",
    files="*.csv",
    columns={
        **{"customer_id": "Contact ID", "email": "E-Mail", "full_name": "Name", "city": "address.city"},
        **{"updated_at": "Last Modified", "is_verified": "Verified"},
    },
    constants={"country": "DE"},
)
EVENTS = ColumnMapping(
    source="pos",
    kind="events",
    files="*.csv",
    columns={
        **{"customer_id": "card", "occurred_at": "time", "amount": "paid", "event_type": "what"},
        **{"channel": "where", "order_id": "receipt"},
    },
    constants={"channel": "store"},
)
SALE = {"card": "1", "time": "2024-05-01 08:00:00", "paid": "3.86", "what": "purchase", "receipt": "r1"}


def contact(mapping: ColumnMapping = CONTACTS, **cells: Any) -> list[Row]:
    return map_items(select_for(mapping), [{"Contact ID": "1", **cells}])


def sale(**cells: Any) -> Row:
    [row] = map_items(select_for(EVENTS), [{**SALE, **cells}])
    return row


# --- contacts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, {"customer_id": "1", "event_type": None, "occurred_at": RECEIVED, "country": "DE"}),
        (
            {"Last Modified": "2024-01-02T03:04:05Z"},
            {"occurred_at": datetime.fromisoformat("2024-01-02T03:04:05Z")},
        ),
        ({"Name": "Ann B. Lee"}, {"first_name": "Ann B.", "last_name": "Lee"}),
        ({"Name": "Ann"}, {"first_name": "Ann", "last_name": None}),
        ({"E-Mail": " a@example.com "}, {"email": "a@example.com"}),
        ({"E-Mail": " "}, {"email": None}),
        ({"address": {"city": "Rome"}}, {"city": "Rome"}),
        ({"address.city": "Oslo"}, {"city": "Oslo"}),
        ({"Verified": "Yes"}, {"is_verified": True}),
        ({"Verified": "no"}, {"is_verified": False}),
        ({"Contact ID": ""}, {"refused": "no_identifier"}),
        ({"Contact ID": None, "Name": "Ann Lee"}, {"refused": None, "last_name": "Lee"}),
        ({"Last Modified": "soon"}, {"refused": "bad_time", "refused_detail": "updated_at"}),
    ],
)
def test_contacts(cells: Row, expected: Row) -> None:
    [row] = contact(**cells)
    assert seen(row, expected) == expected


WITH_CONSENTS = CONTACTS.model_copy(
    update={
        "consents": ColumnMapping.model_validate(
            {
                **CONTACTS.model_dump(),
                "consents": [
                    {"channel": "email", "column": "Mail OK", "granted": ["Yes", "1"], "denied": ["no"]},
                    {"channel": "sms", "column": "SMS OK", "granted": ["yes"], "withdrawn": ["stopped"]},
                ],
            }
        ).consents
    }
)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, [(None, None, None)]),
        ({"Mail OK": "YES"}, [(None, "email", "granted")]),
        ({"Mail OK": "1", "SMS OK": "stopped"}, [(None, "email", "granted"), (None, "sms", "withdrawn")]),
        ({"Mail OK": "no", "SMS OK": ""}, [(None, "email", "denied")]),
        # An unreadable consent is refused on its own, the person is not.
        ({"Mail OK": "maybe"}, [(None, None, None), ("unknown_consent", "email", None)]),
        ({"Contact ID": "", "Mail OK": "yes"}, [("no_identifier", None, None)]),
    ],
)
def test_consent_columns(cells: Row, expected: list[Any]) -> None:
    rows = contact(WITH_CONSENTS, **cells)
    assert [(row["refused"], row["consent_channel"], row["consent_state"]) for row in rows] == expected


# --- events -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-05-01T08:00:00+02:00", "2024-05-01T06:00:00Z"),
        ("2024-05-01 08:00:00", "2024-05-01T08:00:00Z"),
        ("2024-05-01", "2024-05-01T00:00:00Z"),
        ("31.12.2023 14:05", "2023-12-31T14:05:00Z"),
        ("12/31/2023 02:05 PM", "2023-12-31T14:05:00Z"),
        ("12/31/2023 2:05 pm", "2023-12-31T14:05:00Z"),
        ("1714550400", "2024-05-01T08:00:00Z"),
        (1714550400.5, "2024-05-01T08:00:00.5Z"),
        ("1714550400500", "2024-05-01T08:00:00.5Z"),
    ],
)
def test_times(text: Any, time: str) -> None:
    assert sale(time=text)["occurred_at"] == datetime.fromisoformat(time)


@pytest.mark.parametrize("text", ["", None, "soon", "2024-13-45", "31/12/2023 25:00", "infinity", "1e300", "-1e15"])
def test_invalid_times(text: Any) -> None:
    row = sale(time=text)
    assert (row["refused"], row["refused_detail"]) == ("bad_time", "occurred_at") or row["occurred_at"] is None


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(
            ("3.86", "3.86"),
            (3.86, "3.86"),
            ("1,234.50", "1234.50"),
            ("1.234,50", "1234.50"),
            ("12,50", "12.50"),
        ),
        *(
            ("$1,234", "1234.00"),
            ("12,5 €", "12.50"),
            ("1'234.50 CHF", "1234.50"),
            ("1.234.567", "1234567.00"),
        ),
        *(("-5.00", "-5.00"), ("(5.00)", "-5.00"), ("1 234,50", "1234.50"), ("1.5e3", "1500.00")),
    ],
)
def test_amounts(text: Any, amount: str) -> None:
    assert sale(paid=text)["amount"] == Decimal(amount)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, {"event_type": "ordered", "event_name": "purchase", "channel": "store"}),
        *(
            ({"what": word}, {"event_type": event_type, "event_name": word})
            for word, event_type in [
                *(
                    ("Order Completed", "ordered"),
                    ("SALE", "ordered"),
                    ("open", "opened"),
                    ("Opened", "opened"),
                ),
                *(("add-to-cart", "added_to_cart"), ("Refund", "refunded"), ("Spun the wheel", "custom")),
            ]
        ),
        ({"where": "E-Mail"}, {"channel": "email"}),
        ({"where": "online"}, {"channel": "web"}),
        ({"paid": "n/a"}, {"refused": None, "amount": None}),
        ({"paid": "12 of 13"}, {"refused": "bad_amount", "refused_detail": "amount"}),
        ({"what": None}, {"refused": "unknown_event", "refused_detail": "event_type"}),
        ({"where": "pigeon"}, {"refused": "unknown_channel", "refused_detail": "channel"}),
        ({"card": ""}, {"refused": "no_identifier"}),
    ],
)
def test_events(cells: Row, expected: Row) -> None:
    assert seen(sale(**cells), expected) == expected


def test_a_row_can_tell_of_a_product() -> None:
    columns = {
        **{"product_id": "article", "product_name": "what_it_is", "product_url": "page", "price": "each"},
        **{"quantity": "pieces", "customer_id": "card", "occurred_at": "time"},
    }
    mapping = EVENTS.model_copy(update={"columns": columns, "constants": {**EVENTS.constants, "event_type": "ordered"}})
    told = {"article": "17", "what_it_is": "Mug", "page": "https://x.example/mug", "each": "1.012,90", "pieces": "2"}
    [row, without] = map_items(select_for(mapping), [{**SALE, **told}, SALE])
    assert {name: value for name, value in json.loads(row["products"])[0].items() if value} == {
        **{"product_id": "17", "name": "Mug", "url": "https://x.example/mug", "price": "1012.90", "quantity": "2"},
    }
    assert json.loads(row["properties"])["product_id"] == "17"
    assert without["products"] is None


def test_columns_that_are_not_mapped_become_properties() -> None:
    row = sale(store="Rome 1", lines=[{"sku": 1}], empty=None)
    assert json.loads(row["properties"]) == {"store": "Rome 1", "lines": [{"sku": 1}], "order_id": "r1"}


# --- SQL injection ------------------------------------------------------------------------------

NASTY = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=12)
WICKED = st.sampled_from(["'; drop table raw; --", '"', "$", "$.a", "/", "~", "~1", "a'b\"c", "*", "[0]", "{}", "\\"])


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(column=NASTY | WICKED, constant=NASTY | WICKED)
def test_names_cannot_inject_sql(column: str, constant: str) -> None:
    mapping = ColumnMapping(
        source="crm",
        kind="contacts",
        files="*",
        columns={"customer_id": column, "street": "other column"},
        constants={"city": constant},
        consents=({"channel": "email", "column": column, "granted": (constant,)},),
    )
    [row] = [row for row in map_items(select_for(mapping), [{column: "42"}]) if not row["refused"]]
    assert (row["customer_id"], row["city"]) == ("42", constant)


# --- mapping files ------------------------------------------------------------------------------------------

WRITTEN = """\
source: crm
kind: contacts
files: crm*.csv
columns:
  customer_id: Contact ID
consents:
  - {channel: email, column: Opt In, granted: [yes, 1], denied: [no]}
"""


def loaded(folder: Path, text: str) -> ColumnMapping:
    path = folder / "crm.mapping.yaml"
    path.write_text(text)
    return load_mapping(path)


def test_a_mapping_file_keeps_words_as_written(tmp_path: Path) -> None:
    mapping = loaded(tmp_path, WRITTEN)
    assert mapping.consents[0].granted == ("yes", "1")
    assert ColumnMapping.model_validate(mapping.model_dump(mode="json")) == mapping


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("kind: contacts", "kind: people", 2, "kind"),
        ("files: crm*.csv", "file: crm*.csv", 1, "files"),
        ("customer_id: Contact ID", "customer: Contact ID", 1, "'customer' is not a field of contacts"),
        ("customer_id: Contact ID", "city: City", 1, "no column identifies a person"),
        ("channel: email", "channel: pigeon", 7, "consents.0.channel"),
        ("source: crm", "source: ../crm", 1, "source"),
        ("source: crm", "source: [crm", 2, "not YAML"),
        (WRITTEN, "- a list", 1, "key: value"),
        ("kind: contacts", "kind: events\nkind: contacts", 3, "kind: duplicate key"),
        ("kind: contacts", "kind: events", 1, "occurred_at"),
        (
            "kind: contacts",
            "kind: events\nconstants: {event_type: sold, channel: store}",
            1,
            "events require a column for occurred_at",
        ),
        (
            "kind: contacts\nfiles: crm*.csv\ncolumns:",
            "kind: events\nfiles: crm*.csv\nconstants: {event_type: sold, channel: store}\ncolumns:\n  occurred_at: T",
            1,
            "the constant event_type must be one of queued",
        ),
    ],
)
def test_an_invalid_mapping_file_names_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, WRITTEN.replace(old, new))
    assert f"crm.mapping.yaml:{line}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_mapping_file_nested_beyond_all_bounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        loaded(tmp_path, "columns: " + "[" * 200_000)


def test_a_missing_mapping_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.mapping\.yaml"):
        load_mapping(tmp_path / "none.mapping.yaml")


# --- inferred mappings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "kind", "fields"),
    [
        (
            ["Kundennummer", "Vorname", "Nachname", "E-Mail", "Handy-Nr.", "PLZ", "Geburtsdatum", "Straße"],
            "contacts",
            {
                **{"customer_id": "Kundennummer", "first_name": "Vorname", "email": "E-Mail"},
                **{
                    "phone": "Handy-Nr.",
                    "postcode": "PLZ",
                    "date_of_birth": "Geburtsdatum",
                    "street": "Straße",
                },
            },
        ),
        (
            ["id", "email_address", "Mobile Phone", "DOB", "Zip", "Created At"],
            "contacts",
            {
                "customer_id": "id",
                "email": "email_address",
                "phone": "Mobile Phone",
                "updated_at": "Created At",
            },
        ),
        (
            ["household_id", "store_id", "basket_id", "sales_value", "transaction_timestamp"],
            "events",
            {"customer_id": "household_id", "amount": "sales_value", "occurred_at": "transaction_timestamp"},
        ),
        (
            ["user_id", "event", "timestamp", "email"],
            "events",
            {"customer_id": "user_id", "event_type": "event", "occurred_at": "timestamp", "email": "email"},
        ),
        (["Customer ID", "Date", "Total"], "events", {"occurred_at": "Date", "amount": "Total"}),
    ],
)
def test_common_headers_are_recognised(headers: list[str], kind: str, fields: dict[str, str]) -> None:
    mapping = guess_mapping(headers, "Export 2024-01-02")
    assert mapping is not None
    assert (mapping.source, mapping.kind) == ("export", kind)
    assert fields.items() <= mapping.columns.items()
    map_items(select_for(mapping), [dict.fromkeys(headers, "1")])


@pytest.mark.parametrize("headers", [[], ["campaign_id", "start_date"], ["first name", "city"]])
def test_no_mapping_is_inferred_without_an_identifier(headers: list[str]) -> None:
    assert guess_mapping(headers, "x") is None


def test_sample_cells_outweigh_a_header() -> None:
    sample = pl.DataFrame({"id": ["1"], "mail": ["yes"]})
    mapping = guess_mapping(["id", "mail"], "x", sample)
    assert mapping is not None and "email" not in mapping.columns


def test_a_mapping_is_described_with_one_line_per_field() -> None:
    assert describe(WITH_CONSENTS).splitlines() == [
        "contacts of crm, files *.csv",
        "  customer_id ← Contact ID",
        "  email ← E-Mail",
        "  full_name ← Name",
        "  city ← address.city",
        "  updated_at ← Last Modified",
        "  is_verified ← Verified",
        "  country = DE",
        "  consent to email ← Mail OK",
        "  consent to sms ← SMS OK",
    ]


def test_codes_stand_for_values() -> None:
    mapping = ColumnMapping.model_validate(
        {
            **{"source": "post", "kind": "events", "files": "*"},
            "columns": {"customer_id": "id", "campaign_ref": "no", "order_id": "basket", "order_line": "product"},
            "codes": {
                "occurred_at": {"column": "no", "values": {"17": "2026-03-03", "it's": "2026-04-19"}},
                "event_type": {"column": "what", "values": {"M": "sent"}},
            },
            "constants": {"channel": "email", "event_type": "delivered"},
        }
    )
    rows = [
        {"id": "1", "no": "17", "what": "M", "basket": "b", "product": "p"},
        {"id": "1", "no": "it's", "what": "?"},
        {"id": "1", "no": "99"},
    ]
    mapped = map_items(select_for(mapping), rows)
    assert [(row["event_type"], row["occurred_at"], row["refused"]) for row in mapped] == [
        ("sent", datetime(2026, 3, 3, tzinfo=UTC), None),
        ("delivered", datetime(2026, 4, 19, tzinfo=UTC), None),
        ("delivered", None, "bad_time"),
    ]
    assert json.loads(mapped[0]["properties"]) == {"order_id": "b", "order_line": "p"}
    assert "  occurred_at ← no, 2 codes" in describe(mapping).splitlines()


# --- a real public log --------------------------------------------------------------------------------------

JOURNEY = {
    "transactions_sample.csv.gz": """
        source: grocer
        kind: events
        files: transactions*
        columns: {customer_id: household_id, occurred_at: transaction_timestamp, amount: sales_value}
        constants: {channel: store, event_type: ordered, currency: USD}""",
    "coupon_redemptions.csv": """
        source: grocer
        kind: events
        files: coupon_redemptions*
        columns: {customer_id: household_id, occurred_at: redemption_date, campaign_ref: campaign_id}
        constants: {channel: store, event_type: custom, event_name: coupon redeemed}""",
    "campaigns.csv": """
        source: grocer
        kind: contacts
        files: campaigns*
        columns: {customer_id: household_id}""",
    "demographics.csv": """
        source: grocer
        kind: contacts
        files: demographics*
        columns: {customer_id: household_id}""",
}


@pytest.mark.parametrize("file_name", JOURNEY)
def test_the_complete_journey_loads_with_mapping_files_only(tmp_path: Path, file_name: str) -> None:
    if not BEHAVIOUR.exists():
        pytest.skip("the public log is not on this machine")
    mapping = loaded(tmp_path, JOURNEY[file_name])
    rows = pl.read_csv(BEHAVIOUR / file_name, infer_schema=False).head(3000).to_dicts()
    mapped = map_items(select_for(mapping), rows)
    assert len(mapped) == len(rows)
    assert all(row["refused"] is None and has_an_outcome(row) for row in mapped)


def test_a_basket_line_keeps_its_columns() -> None:
    mapping = ColumnMapping.model_validate(
        {
            **{"source": "grocer", "kind": "events", "files": "*"},
            "columns": {
                "customer_id": "household_id",
                "occurred_at": "transaction_timestamp",
                "amount": "sales_value",
            },
            "constants": {"channel": "store", "event_type": "ordered"},
        }
    )
    line = {"household_id": "2261", "basket_id": "31625220889", "sales_value": "3.86"}
    [row] = map_items(select_for(mapping), [{**line, "transaction_timestamp": "2017-01-28 19:06:53"}])
    assert (row["customer_id"], row["amount"], row["event_type"]) == ("2261", Decimal("3.86"), "ordered")
    assert row["properties"] == '{"basket_id":"31625220889"}'


# --- ids on platforms ----------------------------------------------------------------------------------------

CHATTERS = CONTACTS.model_copy(
    update={"columns": {"customer_id": "Contact ID", "telegram_chat": "Telegram", "external_ids": "Ids"}}
)


@pytest.mark.parametrize(
    ("cells", "external_ids"),
    [
        ({"Telegram": " 1111111 "}, {"telegram_chat": "1111111"}),
        ({"Telegram": 1111111}, {"telegram_chat": "1111111"}),
        ({"Telegram": "1111111", "Ids": '{"loyalty": "L7"}'}, {"loyalty": "L7", "telegram_chat": "1111111"}),
        ({"Ids": '{"loyalty": "L7"}'}, {"loyalty": "L7"}),
        ({"Telegram": "", "Ids": "no json"}, {}),
    ],
)
def test_an_id_on_a_platform_is_one_of_the_further_ids(cells: dict[str, Any], external_ids: dict[str, str]) -> None:
    [row] = contact(CHATTERS, **cells)
    assert json.loads(row["external_ids"]) == external_ids


def test_an_id_on_a_platform_names_a_person() -> None:
    mapping = guess_mapping(["Telegram Chat ID", "First Name"], "bot_users.csv")
    assert mapping is not None
    assert mapping.columns == {"telegram_chat": "Telegram Chat ID", "first_name": "First Name"}
    [known, unknown] = map_items(select_for(mapping), [{"Telegram Chat ID": "1111111"}, {"First Name": "Ann"}])
    assert (known["refused"], unknown["refused"]) == (None, "no_identifier")


def test_a_column_of_handles_is_no_column_of_ids() -> None:
    sample = pl.DataFrame({"Telegram ID": ["@ann", "@ben"], "Email": ["a@x.example", "b@x.example"]})
    mapping = guess_mapping(sample.columns, "people.csv", sample)
    assert mapping is not None and mapping.columns == {"email": "Email"}
