"""Column types, each declared once: how a kind of value is stored, what it means, and which values are valid.

Tables compose these types (`cdp/tables/`); nothing else in the project defines again what an e-mail address or a
profile id is.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cdp.channels import CHANNEL_NAMES, PLATFORM_ID_TYPES


@dataclass(frozen=True)
class FieldType:
    """One kind of value.

    `sql` is the DuckDB type, `polars` the matching Polars type. If given, a non-null value must match `pattern` (a
    regular expression), be one of `allowed`, and be at least `minimum` (a SQL literal).
    """

    name: str
    sql: str
    polars: pl.DataType | type[pl.DataType]
    meaning: str
    pattern: str | None = None
    allowed: tuple[str, ...] = ()
    minimum: str | None = None


EVENT_TYPES = (
    *("queued", "sent", "deferred", "delivered", "bounced", "rejected", "failed"),
    *("opened", "clicked", "replied", "complained", "unsubscribed", "resubscribed"),
    *("viewed", "identified", "product_viewed", "added_to_cart", "removed_from_cart"),
    *("checkout_started", "ordered", "refunded"),
    *("consent_changed", "custom"),
)
# Events that a person causes, as opposed to messages sent to them.
ACTIVE_EVENT_TYPES = (
    *("opened", "clicked", "replied", "viewed", "identified", "product_viewed", "added_to_cart"),
    *("removed_from_cart", "checkout_started", "ordered"),
)
# Events about products that say something of a person's interest in them.
PRODUCT_EVENT_TYPES = ("product_viewed", "added_to_cart", "removed_from_cart", "checkout_started", "ordered")
# The traits that are columns of observations and profiles, in the order of documents. Messages say them, and they
# decide where, when and in what language a person is written to: what a write key tells, which anybody may have, never
# stands before what others have told of them.
CORE_TRAITS = (
    *("first_name", "last_name", "email", "phone", "date_of_birth", "street", "city", "region", "postcode"),
    *("country", "language", "timezone"),
)
LIFECYCLE_STAGES = ("new", "active", "at_risk", "lapsed", "won_back", "prospect", "dormant")
IDENTIFIER_TYPES = ("email", "phone", "device_token", "anonymous_id", "customer_id", *PLATFORM_ID_TYPES)

_UTC = pl.Datetime("us", "UTC")

Text = FieldType("text", "VARCHAR", pl.String, "free text")
Flag = FieldType("flag", "BOOLEAN", pl.Boolean, "true or false")
Count = FieldType("count", "BIGINT", pl.Int64, "how many; never negative", minimum="0")
Tally = FieldType("tally", "INTEGER", pl.Int32, "how many; never negative")
Score = FieldType("score", "INTEGER", pl.Int32, "1 to 5", minimum="1")
Rate = FieldType("rate", "DOUBLE", pl.Float64, "a share or probability from 0 to 1", minimum="0.0")
Number = FieldType("number", "DOUBLE", pl.Float64, "a number")
Hours = FieldType("hours", "INTEGER[]", pl.List(pl.Int32), "hours of the day, 0 to 23, local time")
Json = FieldType("json", "JSON", pl.String, "a JSON document")
UtcTime = FieldType("utc_time", "TIMESTAMPTZ", _UTC, "a point in time, UTC")
CalendarDate = FieldType("date", "DATE", pl.Date, "a calendar date")
Money = FieldType("money", "DECIMAL(18,2)", pl.Decimal(18, 2), "an amount; the currency is a separate column")
Currency = FieldType("currency", "VARCHAR", pl.String, "ISO 4217 code", pattern=r"^[A-Z]{3}$")

WebUrl = FieldType("web_url", "VARCHAR", pl.String, "address on the web", pattern=r"^https?://[^\s@]+$")

Email = FieldType("email", "VARCHAR", pl.String, "lower-cased address", pattern=r"^[^@\s]+@[^@\s]+$")
Phone = FieldType("phone", "VARCHAR", pl.String, "E.164 number", pattern=r"^\+[1-9]\d{3,16}$")
Country = FieldType("country", "VARCHAR", pl.String, "ISO 3166 alpha-2 code", pattern=r"^[A-Z]{2}$")
Language = FieldType("language", "VARCHAR", pl.String, "ISO 639 code", pattern=r"^[a-z]{2,3}$")

Channel = FieldType("channel", "VARCHAR", pl.String, "a way to reach or meet people", allowed=CHANNEL_NAMES)
EventType = FieldType("event_type", "VARCHAR", pl.String, "what happened", allowed=EVENT_TYPES)
Purpose = FieldType("purpose", "VARCHAR", pl.String, "what a message is for", allowed=("marketing", "transactional"))
ConsentState = FieldType(
    "consent_state", "VARCHAR", pl.String, "state of consent", allowed=("granted", "denied", "withdrawn", "pending")
)
ConsentScope = FieldType(
    "consent_scope", "VARCHAR", pl.String, "what the statement covers", allowed=("topic", "channel", "all")
)
LifecycleStage = FieldType(
    "lifecycle_stage", "VARCHAR", pl.String, "stage of the customer lifecycle", allowed=LIFECYCLE_STAGES
)
IdentifierType = FieldType("identifier_type", "VARCHAR", pl.String, "kind of identifier", allowed=IDENTIFIER_TYPES)
Quality = FieldType(
    "quality", "VARCHAR", pl.String, "how well it identifies", allowed=("unique", "shared", "generic", "junk")
)
EdgeKind = FieldType("edge_kind", "VARCHAR", pl.String, "kind of evidence", allowed=("exact", "model", "steward"))
ChangeReason = FieldType(
    "change_reason", "VARCHAR", pl.String, "kind of change", allowed=("created", "merged", "split", "retired")
)

ProfileId = FieldType("profile_id", "VARCHAR", pl.String, "a unified person", pattern=r"^prf_[0-9A-HJKMNP-TV-Z]{26}$")
ContactPointId = FieldType(
    "contact_point_id", "VARCHAR", pl.String, "hash of an address", pattern=r"^cpt_[0-9A-HJKMNP-TV-Z]{26}$"
)
ObservationId = FieldType("observation_id", "VARCHAR", pl.String, "an observation", pattern=r"^[0-9a-f]{32}$")
EventId = FieldType("event_id", "VARCHAR", pl.String, "an event", pattern=r"^[0-9a-f]{32}$")
FileId = FieldType("file_id", "VARCHAR", pl.String, "a landed file", pattern=r"^[0-9a-f]{16}$")
LineNumber = FieldType("line_number", "BIGINT", pl.Int64, "1-based line or JSON list element", minimum="1")
RunId = FieldType("run_id", "VARCHAR", pl.String, "a run", pattern=r"^run_\d{8}T\d{6}_[0-9a-f]{6}$")
Hash = FieldType("hash", "VARCHAR", pl.String, "hexadecimal digest", pattern=r"^[0-9a-f]{16,64}$")
