"""Twilio text messages: the log export of the console, a page of the REST API, and parameters of inbound webhooks.

Formats: https://www.twilio.com/docs/messaging/api/message-resource and
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import polars as pl

from pipelines.simulate.accounts import as_known
from pipelines.simulate.clock import DAY, SECOND, Clock
from pipelines.simulate.draw import Rng, chance, pick, texts
from pipelines.simulate.files import (
    TOO_FEW_COLUMNS,
    TRUNCATED,
    Fault,
    LogFile,
    csv_lines,
    given,
    json_lines,
    log_rows,
)

SENDER = "+12025550143"
ACCOUNT = "AC0f5e1c3a9b7d4e2f8a6b0c1d2e3f4a5b"
SERVICE = "MG9752274e9e519418a7406176694466fa"
_VERSION = "2010-04-01"
_PRICE = "-0.00750"

_EXPORT = (
    "From", "To", "Body", "Status", "SentDate", "ApiVersion", "NumSegments", "ErrorCode", "AccountSid", "Sid",
    "Direction", "Price", "PriceUnit",
)  # fmt: skip
_ISO = r"\d{4}-\d\d-\d\dT[^,\"]*"
EXPORT = LogFile(
    "twilio_messages",
    ".csv",
    (TOO_FEW_COLUMNS, Fault(_ISO, "2026-02-31T25:61:00Z", names_a_person=True)),
    opening=",".join(_EXPORT) + "\n",
    header_lines=1,
)
_PAGE_URI = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageSize=1000&Page=0"
PAGE = LogFile(
    "twilio_messages",
    ".json",
    (Fault(r'"date_sent":"[^"]*"', '"date_sent":"Xyz, 99 Foo 2026 25:61:00 +0000"', names_a_person=True),),
    opening='{"messages":[\n',
    separator=",\n",
    closing=(
        f'\n],"page":0,"page_size":1000,"start":0,"first_page_uri":"{_PAGE_URI}","previous_page_uri":null,'
        f'"next_page_uri":null,"uri":"{_PAGE_URI}"}}\n'
    ),
)
INBOUND = LogFile(
    "twilio_inbound",
    ".jsonl",
    (TRUNCATED, Fault(r'"DateSent":"[^"]*"', '"DateSent":"2026-02-31T25:61:00Z"', names_a_person=True)),
)

_REPLIES = (
    "Yes please",
    "Thanks!",
    "Is this still on?",
    "When does it end?",
    "Cool",
    "Ok, see you in the shop",
    "1",
)


def twilio_rows(
    rng: Rng, clock: Clock, people: pl.DataFrame, messages: pl.DataFrame, clicks: pl.Series
) -> dict[LogFile, pl.DataFrame]:
    """The rows of the three files; `clicks` marks messages that were answered by a click, so without a reply."""
    texted = _texted(rng, people, messages)
    out = _with_outcome(rng, texted)
    in_page = pl.Series(chance(rng, 0.08, out.height))
    inbound = _inbound(rng, clock, texted.with_columns(clicked=clicks))
    # Early replies are only in the console's log, before the webhook was set up.
    early = pl.col("at") < int(clock.at_fraction(0.2))
    export = pl.concat([_as_export(out.filter(~in_page)), _inbound_as_export(inbound.filter(early))])
    return {
        EXPORT: export,
        PAGE: _as_page(out.filter(in_page)),
        INBOUND: _as_webhook(inbound.filter(~early)),
    }


def _texted(rng: Rng, people: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    known = as_known(people, messages["person"], messages["at"]).select("mobile", "country", "city", "postcode")
    body = pl.format("{}: see what is new https://shp.example/{} Reply STOP to opt out", "campaign", "short")
    return messages.hstack(known).with_columns(
        sid="SM" + texts(rng, messages.height, "%" * 32), short=texts(rng, messages.height, "******")
    ).with_columns(body=body)  # fmt: skip


def _with_outcome(rng: Rng, texted: pl.DataFrame) -> pl.DataFrame:
    count = texted.height
    outcome = pick(rng, ["delivered", "undelivered", "failed", "sent"], count, [0.955, 0.02, 0.005, 0.02])
    answered = pl.col("answered") | pl.col("opts_out")
    status = pl.when("blocked").then(pl.lit("failed")).when(answered).then(pl.lit("delivered")).otherwise(outcome)
    return texted.with_columns(status=status).with_columns(
        error=pl.when("blocked")
        .then(pl.lit(21610))
        .when(pl.col("status") == "undelivered")
        .then(pl.lit(30003))
        .when(pl.col("status") == "failed")
        .then(pl.lit(30008)),
        price=pl.when(pl.col("status") == "failed").then(None).otherwise(pl.lit(_PRICE)),
    )


def _inbound(rng: Rng, clock: Clock, texted: pl.DataFrame) -> pl.DataFrame:
    replies = texted.filter(pl.col("answered") & ~pl.col("clicked"))
    replies = replies.with_columns(body=pick(rng, _REPLIES, replies.height), opt=pl.lit(None, dtype=pl.String))
    stops = texted.filter("opts_out").with_columns(body=pl.lit("STOP"), opt=pl.lit("STOP"))
    starts = stops.filter(pl.Series(chance(rng, 0.12, stops.height))).with_columns(
        body=pl.lit("START"), opt=pl.lit("START"), reacted_at=pl.col("reacted_at") + 2 * DAY
    )
    helps = texted.filter(pl.Series(chance(rng, 0.004, texted.height)) & ~texted["blocked"]).with_columns(
        body=pl.lit("HELP"), opt=pl.lit("HELP")
    )
    inbound = pl.concat([replies, stops, starts, helps], how="diagonal").with_columns(at=pl.col("reacted_at"))
    return inbound.with_columns(sid="SM" + texts(rng, inbound.height, "%" * 32)).filter(pl.col("at") < clock.end)


def _export_time() -> pl.Expr:
    """The console uses the time zone of the account."""
    local = pl.from_epoch("at", "ms").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    return local.dt.strftime("%Y-%m-%dT%H:%M:%S%:z")


def _as_export(out: pl.DataFrame) -> pl.DataFrame:
    return _export_rows(
        out.with_columns(
            From=pl.lit(SENDER),
            To="mobile",
            Status="status",
            ErrorCode=pl.col("error").fill_null(0),
            Direction=pl.lit("outbound-api"),
            Price="price",
        )
    )


def _inbound_as_export(inbound: pl.DataFrame) -> pl.DataFrame:
    return _export_rows(
        inbound.with_columns(
            From="mobile",
            To=pl.lit(SENDER),
            Status=pl.lit("received"),
            ErrorCode=pl.lit(0),
            Direction=pl.lit("inbound"),
            Price=pl.lit(_PRICE),
        )
    )


def _export_rows(messages: pl.DataFrame) -> pl.DataFrame:
    rows = messages.with_columns(
        Body="body",
        SentDate=_export_time(),
        ApiVersion=pl.lit(_VERSION),
        NumSegments=pl.lit(1),
        AccountSid=pl.lit(ACCOUNT),
        Sid="sid",
        PriceUnit=pl.lit("USD"),
    )
    return log_rows(rows, ["mobile"], csv_lines(*_EXPORT))


def _rfc2822(name: str, later: int = 0) -> pl.Expr:
    return pl.from_epoch(pl.col(name) + later, "ms").dt.strftime("%a, %d %b %Y %H:%M:%S +0000")


def _as_page(out: pl.DataFrame) -> pl.DataFrame:
    line = json_lines(
        {
            "sid": "sid",
            "date_created": _rfc2822("at"),
            "date_updated": _rfc2822("at", 2 * SECOND),
            "date_sent": _rfc2822("at", SECOND),
            "account_sid": pl.lit(ACCOUNT),
            "from": pl.lit(SENDER),
            "to": "mobile",
            "body": "body",
            "status": "status",
            "direction": pl.lit("outbound-api"),
            "error_code": "error",
            "error_message": given("error", pl.lit("Undeliverable")),
            "num_segments": pl.lit("1"),
            "num_media": pl.lit("0"),
            "price": "price",
            "price_unit": pl.lit("USD"),
            "messaging_service_sid": pl.lit(SERVICE),
            "api_version": pl.lit(_VERSION),
            "uri": pl.format(f"/{_VERSION}/Accounts/{ACCOUNT}/Messages/{{}}.json", "sid"),
        },
        keep_nulls=True,
    )
    return log_rows(out, ["mobile"], line)


def _as_webhook(inbound: pl.DataFrame) -> pl.DataFrame:
    line = json_lines(
        {
            "MessageSid": "sid",
            "SmsSid": "sid",
            "SmsMessageSid": "sid",
            "AccountSid": pl.lit(ACCOUNT),
            "MessagingServiceSid": pl.lit(SERVICE),
            "From": "mobile",
            "To": pl.lit(SENDER),
            "Body": "body",
            "NumMedia": pl.lit("0"),
            "NumSegments": pl.lit("1"),
            "SmsStatus": pl.lit("received"),
            "ApiVersion": pl.lit(_VERSION),
            "FromCountry": "country",
            "ToCountry": pl.lit("US"),
            "OptOutType": "opt",
            "DateSent": pl.from_epoch("at", "ms").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    return log_rows(inbound, ["mobile", "country"], line)
