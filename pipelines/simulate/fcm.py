"""Firebase Cloud Messaging delivery data as exported from BigQuery: JSON lines, INT64 as text, no nulls.

Format: https://firebase.google.com/docs/cloud-messaging/understand-delivery#what-data-is-exported
"""

from __future__ import annotations

import polars as pl

from pipelines.simulate.clock import DAY, SECOND
from pipelines.simulate.draw import Rng, chance, texts
from pipelines.simulate.files import TRUNCATED, Fault, LogFile, json_lines, log_rows

DELIVERY = LogFile(
    "fcm_delivery",
    ".jsonl.gz",
    (TRUNCATED, Fault(r'"event_timestamp":"[^"]*"', '"event_timestamp":"2026-02-31 25:61:00 UTC"', True)),
)
_PROJECT = "871049265113"


def fcm_rows(rng: Rng, people: pl.DataFrame, pushes: pl.DataFrame) -> pl.DataFrame:
    """Delivery events of push messages: accepted or refused, and delivered or not."""
    count = pushes.height
    who = people.select("instance_id", "device_type").select(pl.all().gather(pushes["person"]))
    pushes = pushes.hstack(who).with_columns(
        message_id="0:" + texts(rng, count, "1###############%%%%%%%%"),
        gone=pl.Series(chance(rng, 0.012, count)) & ~pl.col("answered"),
        dozes=pl.Series(chance(rng, 0.05, count)) & ~pl.col("answered"),
        delivered_at=pl.col("at") + pl.Series(rng.integers(300, 50 * SECOND, count)),
    )
    accepted = pushes.filter(~pl.col("gone"))
    events = [
        accepted.with_columns(event=pl.lit("MESSAGE_ACCEPTED")),
        pushes.filter("gone").with_columns(event=pl.lit("MISSING_REGISTRATIONS")),
        accepted.filter(~pl.col("dozes")).with_columns(event=pl.lit("MESSAGE_DELIVERED"), at="delivered_at"),
    ]
    return log_rows(pl.concat(events), ["instance_id"], _line())


def _line() -> pl.Expr:
    ios = pl.col("device_type") == "ios"
    return json_lines(
        {
            "event_timestamp": pl.from_epoch("at", "ms").dt.strftime("%Y-%m-%d %H:%M:%S%.6f UTC"),
            "project_number": pl.lit(_PROJECT),
            "message_id": "message_id",
            "instance_id": "instance_id",
            "message_type": pl.lit("DISPLAY_NOTIFICATION"),
            "sdk_platform": pl.when(ios).then(pl.lit("IOS")).otherwise(pl.lit("ANDROID")),
            "app_name": pl.when(ios).then(pl.lit("com.example.shop.ios")).otherwise(pl.lit("com.example.shop")),
            "collapse_key": pl.when("promo").then(pl.lit("promo")),
            "priority": pl.lit("10"),
            "ttl": pl.lit(str(DAY // SECOND)),
            "bulk_id": pl.when("promo").then(pl.col("at") // DAY * 10**9 + 7).cast(pl.String),
            "event": "event",
            "analytics_label": "campaign",
        }
    )
