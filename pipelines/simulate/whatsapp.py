"""Webhook bodies of the WhatsApp Business Cloud API: statuses, inbound messages, marketing preferences.

Format: https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
"""

from __future__ import annotations

import polars as pl

from pipelines.simulate.accounts import as_known
from pipelines.simulate.clock import DAY, SECOND
from pipelines.simulate.draw import Rng, chance, pick, texts
from pipelines.simulate.files import TRUNCATED, Fault, Fields, LogFile, json_lines, json_object, log_rows

WEBHOOKS = LogFile(
    "whatsapp_webhooks",
    ".jsonl.gz",
    (TRUNCATED, Fault(r'"timestamp":"?\d+"?', '"timestamp":"yesterday"', names_a_person=True)),
)
_ACCOUNT = "102290129340398"
_NUMBER = "12025550198"
_NUMBER_ID = "106540352242922"
_REPLIES = (
    "Yes!",
    "Thank you",
    "Do you have it in blue?",
    "👍",
    "How long does the offer last?",
    "Great, I'll take it",
)


def whatsapp_rows(rng: Rng, people: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """One webhook body per row."""
    known = as_known(people, messages["person"], messages["at"]).select("mobile", "first_name", "nickname", "last_name")
    messages = messages.hstack(known).with_columns(
        wa_id=pl.col("mobile").str.strip_prefix("+"),
        wamid=_message_ids(rng, messages.height),
        profile_name=_profile_names(people, messages["person"]),
    )
    bodies = [_statuses(rng, messages), _replies(rng, messages), *_preferences(rng, messages)]
    return pl.concat(bodies)


def _message_ids(rng: Rng, count: int) -> pl.Series:
    return "wamid.HBgL" + texts(rng, count, "*" * 38) + "AA=="


def _profile_names(people: pl.DataFrame, person: pl.Series) -> pl.Series:
    """The name that each person has chosen: full name, first name with initial, or nickname."""
    initial = pl.format("{} {}.", "first_name", pl.col("last_name").str.slice(0, 1))
    style = pl.col("index") % 5
    name = (
        pl.when(style < 2)
        .then(pl.format("{} {}", "first_name", "last_name"))
        .when(style == 2)
        .then(initial)
        .otherwise(pl.coalesce("nickname", "first_name"))
    )
    return people.select(name.alias("name")).to_series().gather(person)


def _bodies(rows: pl.DataFrame, describing: list[str], field: str, **value: pl.Expr) -> pl.DataFrame:
    """The rows as webhook bodies about `field`, with `value` as parts of the change's value."""
    metadata = {"display_phone_number": pl.lit(_NUMBER), "phone_number_id": pl.lit(_NUMBER_ID)}
    content = {"messaging_product": pl.lit("whatsapp"), "metadata": json_object(metadata), **value}
    change = json_object({"value": json_object(content), "field": pl.lit(field)})
    entry = json_object({"id": pl.lit(_ACCOUNT), "changes": pl.concat_list(change)})
    body = {"object": pl.lit("whatsapp_business_account"), "entry": pl.concat_list(entry)}
    return log_rows(rows, describing, json_lines(body))


def _statuses(rng: Rng, messages: pl.DataFrame) -> pl.DataFrame:
    """Statuses: sent, delivered and read, or failed. Some bodies have two statuses; some deliveries are implied."""
    count = messages.height
    failed = messages["blocked"] | (
        pl.Series(chance(rng, 0.012, count)) & ~messages["answered"] & ~messages["opts_out"]
    )
    read = pl.Series(chance(rng, (0.35 + messages["p"] * 0.6).clip(0, 0.95).to_numpy(), count))
    messages = messages.with_columns(
        failed=failed,
        read=~failed & (read | messages["answered"] | messages["opts_out"]),
        lag=pl.Series(rng.integers(2 * SECOND, 60 * SECOND, count)),
        implied=pl.Series(chance(rng, 0.04, count)),
        joined=pl.Series(chance(rng, 0.05, count)),
    )
    sound = messages.filter(~pl.col("failed"))
    with_read = pl.col("read") & (pl.col("implied") | pl.col("joined"))
    parts = [
        _status_rows(sound, ["sent"], pl.col("at")),
        _status_rows(sound.filter(~with_read), ["delivered"], pl.col("at") + pl.col("lag")),
        _status_rows(sound.filter("read", pl.col("joined")), ["delivered", "read"], pl.col("reacted_at")),
        _status_rows(sound.filter("read", ~pl.col("joined")), ["read"], pl.col("reacted_at")),
        _status_rows(messages.filter("failed"), ["failed"], pl.col("at") + pl.col("lag")),
    ]
    return pl.concat(parts)


def _status_rows(messages: pl.DataFrame, names: list[str], at: pl.Expr) -> pl.DataFrame:
    statuses = pl.concat_list([_status(name) for name in names])
    return _bodies(messages.with_columns(at=at), ["wa_id"], "messages", statuses=statuses)


def _status(name: str) -> pl.Expr:
    status: Fields = {
        "id": "wamid",
        "status": pl.lit(name),
        "timestamp": (pl.col("at") // SECOND).cast(pl.String),
        "recipient_id": "wa_id",
        "biz_opaque_callback_data": "campaign",
    }
    details: dict[str, Fields] = {
        "sent": {"pricing": _pricing()},
        "failed": {"errors": pl.concat_list(_error())},
    }
    return json_object({**status, **details.get(name, {})})


def _pricing() -> pl.Expr:
    details = {"pricing_model": "PMP", "category": "marketing", "type": "regular"}
    return json_object({"billable": pl.lit(True), **{key: pl.lit(word) for key, word in details.items()}})


def _error() -> pl.Expr:
    stopped, unreachable = "User has stopped marketing messages", "Message undeliverable"
    return json_object(
        {
            "code": pl.when("blocked").then(131050).otherwise(131026),
            "title": pl.when("blocked").then(pl.lit(stopped)).otherwise(pl.lit(unreachable)),
        }
    )


def _contacts() -> pl.Expr:
    profile = json_object({"name": "profile_name"})
    return pl.concat_list(json_object({"profile": profile, "wa_id": "wa_id"}))


def _replies(rng: Rng, messages: pl.DataFrame) -> pl.DataFrame:
    replies = messages.filter("answered").with_columns(at=pl.col("reacted_at") + 40 * SECOND)
    replies = replies.with_columns(reply_id=_message_ids(rng, replies.height), text=pick(rng, _REPLIES, replies.height))
    message = json_object(
        {
            "context": json_object({"from": pl.lit(_NUMBER), "id": "wamid"}),
            "from": "wa_id",
            "id": "reply_id",
            "timestamp": (pl.col("at") // SECOND).cast(pl.String),
            "type": pl.lit("text"),
            "text": json_object({"body": "text"}),
        }
    )
    inbound = pl.concat_list(message)
    return _bodies(replies, ["wa_id", "profile_name"], "messages", contacts=_contacts(), messages=inbound)


def _preferences(rng: Rng, messages: pl.DataFrame) -> list[pl.DataFrame]:
    stops = messages.filter("opts_out").with_columns(at=pl.col("reacted_at") + 30 * SECOND)
    resumes = stops.filter(pl.Series(chance(rng, 0.15, stops.height))).with_columns(at=pl.col("at") + 3 * DAY)
    return [_preference_rows(stops, "stop"), _preference_rows(resumes, "resume")]


def _preference_rows(rows: pl.DataFrame, value: str) -> pl.DataFrame:
    preference = json_object(
        {
            "wa_id": "wa_id",
            "detail": pl.lit(f"User requested to {value} marketing messages"),
            "category": pl.lit("marketing_messages"),
            "value": pl.lit(value),
            "timestamp": pl.col("at") // SECOND,
        }
    )
    preferences = pl.concat_list(preference)
    describing = ["wa_id", "profile_name"]
    return _bodies(rows, describing, "user_preferences", contacts=_contacts(), user_preferences=preferences)
