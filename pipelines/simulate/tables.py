"""Exports that need a mapping file: contacts of a CRM and receipts of a till, as CSV."""

from __future__ import annotations

import polars as pl

from pipelines.simulate.accounts import as_known
from pipelines.simulate.clock import Clock
from pipelines.simulate.draw import Rng, chance, misspelt, texts
from pipelines.simulate.files import TOO_FEW_COLUMNS, Fault, LogFile, csv_lines, log_rows
from pipelines.simulate.shopify import national

_CONTACT = (
    "Contact ID", "First Name", "Last Name", "Email", "Mobile", "Date of Birth", "Street", "City", "State",
    "Postcode",
    "Country", "Language", "Email Opt In", "Loyalty Card", "Last Modified",
)  # fmt: skip
_RECEIPT = ("Receipt", "Time", "Card", "Email", "Mobile", "Amount", "Currency", "Store")
_BAD_TIME = Fault(r"\d{4}-\d\d-\d\dT[\d:]+Z", "2026-02-31T25:61:00Z", names_a_person=True)

CONTACTS = LogFile(
    "crm_contacts", ".csv", (TOO_FEW_COLUMNS, _BAD_TIME), opening=",".join(_CONTACT) + "\n", header_lines=1
)
RECEIPTS = LogFile(
    "pos_events", ".csv", (TOO_FEW_COLUMNS, _BAD_TIME), opening=",".join(_RECEIPT) + "\n", header_lines=1
)

MAPPINGS = {
    "crm_contacts.mapping.yaml": """\
source: crm
kind: contacts
files: crm_contacts*.csv
columns:
  customer_id: Contact ID
  first_name: First Name
  last_name: Last Name
  email: Email
  phone: Mobile
  date_of_birth: Date of Birth
  street: Street
  city: City
  region: State
  postcode: Postcode
  country: Country
  language: Language
  updated_at: Last Modified
""",
    "pos_events.mapping.yaml": """\
source: pos
kind: events
files: pos_events*.csv
columns:
  event_key: Receipt
  occurred_at: Time
  customer_id: Card
  email: Email
  phone: Mobile
  amount: Amount
  currency: Currency
constants:
  channel: store
  event_type: ordered
""",
}


def contact_rows(rng: Rng, people: pl.DataFrame) -> pl.DataFrame:
    """Contacts of the CRM. They are typed in by staff, so some are misspelt, abbreviated, swapped or junk."""
    people = people.with_row_index("person").filter("has_crm")
    known = as_known(people, pl.Series(range(people.height), dtype=pl.UInt32), people["crm_modified_at"])
    count = known.height
    by_kind = {"mobile": pl.col("mobile"), "landline": pl.col("landline"), "junk": pl.col("crm_junk_phone")}
    phone = pl.coalesce(pl.when(pl.col("crm_phone") == kind).then(value) for kind, value in by_kind.items())
    wrong = pl.when("crm_surname_typo").then(misspelt(rng, known["last_name"], 1.0)).otherwise("last_name")
    loud = pl.Series(chance(rng, 0.03, count))
    contacts = known.with_columns(
        pl.col("crm_id").alias("Contact ID"),
        pl.when(loud).then(pl.col("crm_first_name").str.to_uppercase()).otherwise("crm_first_name").alias("First Name"),
        pl.when(loud).then(wrong.str.to_uppercase()).otherwise(wrong).alias("Last Name"),
        pl.when(loud).then(pl.col("crm_email").str.to_uppercase()).otherwise("crm_email").alias("Email"),
        pl.when(pl.Series(chance(rng, 0.6, count))).then(national(phone)).otherwise(phone).alias("Mobile"),
        pl.col("crm_birth").alias("Date of Birth"),
        pl.when(pl.Series(chance(rng, 0.4, count)))
        .then(_abbreviated(pl.col("street")))
        .otherwise("street")
        .alias("Street"),
        pl.col("city").alias("City"),
        pl.col("region").alias("State"),
        pl.col("postcode").alias("Postcode"),
        pl.when(pl.Series(chance(rng, 0.1, count))).then("country_name").otherwise("country").alias("Country"),
        pl.col("locale").str.slice(0, 2).alias("Language"),
        pl.col("can_email").cast(pl.String).alias("Email Opt In"),
        pl.when("has_card", pl.Series(chance(rng, 0.35, count))).then("card").alias("Loyalty Card"),
        _time(pl.col("crm_modified_at")).alias("Last Modified"),
        at="crm_modified_at",
    )
    return log_rows(contacts, list(_CONTACT[:12]), csv_lines(*_CONTACT))


def _abbreviated(street: pl.Expr) -> pl.Expr:
    short = {
        " Street": " St",
        " Avenue": " Ave",
        " Road": " Rd",
        " Drive": " Dr",
        " Lane": " Ln",
        "straße": "str.",
        "Avenida": "Av.",
    }
    for long, brief in short.items():
        street = street.str.replace(long, brief, literal=True)
    return street


def _time(at: pl.Expr) -> pl.Expr:
    return pl.from_epoch(at, "ms").dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def receipt_rows(rng: Rng, clock: Clock, people: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Store purchases, with the loyalty card and the contact data that its holder gave."""
    bought = orders.filter(~pl.col("online"), pl.col("at") < clock.end).drop("index", "currency")
    known = as_known(people, bought["person"], bought["at"])
    receipts = bought.hstack(known).with_columns(
        pl.Series("Receipt", "R" + texts(rng, bought.height, "############")),
        _time(pl.col("at")).alias("Time"),
        pl.col("card").alias("Card"),
        pl.col("card_email").alias("Email"),
        pl.when("card_gives_phone").then("mobile").alias("Mobile"),
        pl.col("total").cast(pl.Decimal(18, 2)).alias("Amount"),
        pl.col("currency").alias("Currency"),
        pl.format("{} {}", "city", pl.col("index") % 3 + 1).alias("Store"),
    )
    return log_rows(receipts, ["Card", "Email", "Mobile"], csv_lines(*_RECEIPT))
