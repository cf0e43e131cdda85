"""The schema `conformed`: data of all sources in one vocabulary."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Reference, Rule, Table
from cdp.tables.lineage import LINEAGE

EVENTS = Table(
    "conformed",
    "events",
    "an event on a channel",
    (
        Column("event_id", f.EventId, True, "hash of the source and the provider's event id, or of the payload"),
        Column("source", f.Text, True),
        Column("channel", f.Channel, True),
        Column("event_type", f.EventType, True),
        Column("event_name", f.Text, False, "the source's own name for the event"),
        Column("occurred_at", f.UtcTime, True),
        Column("received_at", f.UtcTime, True, "when the log was landed"),
        Column("observation_id", f.ObservationId, True, "the description of the person concerned"),
        Column("message_ref", f.Text, False, "the provider's id of the message"),
        Column("message_id", f.Text, False, "the platform's own id of the message, if it sent it"),
        Column("campaign_ref", f.Text, False),
        Column("is_machine", f.Flag, True, "caused by a machine, such as a mail scanner; not counted"),
        Column(
            "is_claim", f.Flag, True, "told by a write key, which anybody may have: it suppresses and grants nothing"
        ),
        Column("credential", f.Text, False, "the write key or client that sent it over the tracking API"),
        Column("amount", f.Money),
        Column("currency", f.Currency),
        Column("properties", f.Json),
        *LINEAGE,
    ),
    key=("event_id",),
    references=(
        Reference("observation_id", "conformed.observations", "observation_id"),
        Reference("file_id", "landing.files", "file_id"),
    ),
)

EVENT_PRODUCTS = Table(
    "conformed",
    "event_products",
    "a product that an event is about: viewed, put into the cart or taken out, or ordered",
    (
        Column("event_id", f.EventId, True),
        Column("position", f.Count, True, "1 for the first product that the event names"),
        Column("product_id", f.Text, True, "the source's id of the product, or else its SKU"),
        Column("sku", f.Text, False, "stock keeping unit, by which several sources may know the product"),
        # Of a claim, nothing but which product it is.
        Column("name", f.Text, False, "never from a write key, which anybody may have; nor link, picture and price"),
        Column("url", f.WebUrl),
        Column("image_url", f.WebUrl),
        Column("price", f.Money, False, "of one piece"),
        Column("currency", f.Currency),
        Column("quantity", f.Number),
    ),
    key=("event_id", "position"),
    references=(Reference("event_id", "conformed.events", "event_id"),),
)

PERSON_COLUMNS = (
    Column("customer_id", f.Text, False, "the source's own id for the person"),
    Column("first_name", f.Text),
    Column("last_name", f.Text),
    Column("email", f.Email),
    Column("phone", f.Phone),
    Column("date_of_birth", f.CalendarDate),
    Column("street", f.Text),
    Column("city", f.Text),
    Column("region", f.Text),
    Column("postcode", f.Text),
    Column("country", f.Country),
    Column("language", f.Language),
    Column("timezone", f.Text, False, "IANA name"),
    Column("device_token", f.Text),
    Column("anonymous_id", f.Text),
    Column("external_ids", f.Json, False, "further ids by type"),
)

OBSERVATIONS = Table(
    "conformed",
    "observations",
    "a distinct description of a person by a source",
    (
        Column("observation_id", f.ObservationId, True),
        Column("source", f.Text, True),
        *PERSON_COLUMNS,
        Column("is_verified", f.Flag, True, "the source has verified the contact point"),
        Column("is_claim", f.Flag, True, "told by write keys only: it overrides nothing that others told"),
        Column("first_seen_at", f.UtcTime, True),
        Column("last_seen_at", f.UtcTime, True),
        Column("event_count", f.Count, True),
        *LINEAGE,
    ),
    key=("observation_id",),
    references=(Reference("file_id", "landing.files", "file_id"),),
    rules=(
        Rule(
            "seen_in_order",
            "last_seen_at is not before first_seen_at",
            "select observation_id from conformed.observations where last_seen_at < first_seen_at",
        ),
    ),
)

CONSENTS = Table(
    "conformed",
    "consents",
    "a consent statement found in a log",
    (
        Column("consent_id", f.EventId, True),
        Column("source", f.Text, True),
        Column("observation_id", f.ObservationId, True),
        Column("channel", f.Channel, True),
        Column("purpose", f.Purpose, True),
        Column("topic", f.Text),
        Column("state", f.ConsentState, True),
        Column("scope", f.ConsentScope, True),
        Column("basis", f.Text, False, "legal basis"),
        Column("method", f.Text, False, "how the statement was made"),
        Column("credential", f.Text, False, "the write key or client that sent it over the tracking API"),
        Column("occurred_at", f.UtcTime, True),
        *LINEAGE,
    ),
    key=("consent_id",),
    references=(Reference("observation_id", "conformed.observations", "observation_id"),),
)

DUPLICATES = Table(
    "conformed",
    "duplicates",
    "a repeated delivery of an event: its line, and the event kept",
    (Column("event_id", f.EventId, True), Column("source", f.Text, True), *LINEAGE),
    references=(Reference("event_id", "conformed.events", "event_id"),),
)
