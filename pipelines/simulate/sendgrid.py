"""Events of SendGrid's Event Webhook.

Format: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from __future__ import annotations

import polars as pl

from pipelines.simulate.clock import DAY, MINUTE, SECOND
from pipelines.simulate.draw import Rng, chance, pick, texts
from pipelines.simulate.files import TRUNCATED, Fault, LogFile, json_lines, log_rows

_NO_EMAIL = Fault(r'"email":"[^"]*",', "")
_IMPOSSIBLE_TIME = Fault(r'"timestamp":\d+', '"timestamp":-99999999999999', names_a_person=True)
EVENTS = LogFile("sendgrid_events", ".jsonl.gz", (TRUNCATED, _NO_EMAIL, _IMPOSSIBLE_TIME))
BODY = LogFile("sendgrid_events", ".json", (_NO_EMAIL, _IMPOSSIBLE_TIME), opening="[", separator=",\r\n", closing="]\n")

_HOSTS = ("5bc6f4c9d-x8zqk", "5bc6f4c9d-2lmtv", "7f84d6b55b-9w4hd", "7f84d6b55b-kk2rs", "66d7d5b8c7-pv6nx")
_APPLE_PROXY = "Mozilla/5.0"
_USER_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
)


_KEPT = ("person", "email", "campaign", "promo", "smtp-id", "sg_message_id", "asm_group_id", "in_body")


def sendgrid_rows(rng: Rng, people: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """All events of all e-mails, one JSON object per row; `in_body` marks those that form one POST body."""
    mails = _mails(rng, people, messages)
    reached = mails.filter(~pl.col("drops") & ~pl.col("bounces"))
    events = pl.concat([*_delivery_events(rng, mails), *_engagement_events(rng, reached)], how="diagonal")
    categories = pl.concat_list(pl.lit("promotion"), "campaign")
    events = events.with_columns(
        sg_event_id=texts(rng, events.height, "*" * 22),
        timestamp=pl.col("at") // SECOND,
        category=pl.when("promo").then(categories).otherwise(pl.concat_list(pl.lit("newsletter"))),
    )
    rows = log_rows(events, ["email"], _line())
    return rows.with_columns(in_body=events["in_body"])


def _line() -> pl.Expr:
    """The JSON line. A single category is a text, several are a list."""
    same = (
        "email timestamp smtp-id event category sg_event_id sg_message_id asm_group_id ip useragent url "
        "reason status type response attempt tls sg_machine_open"
    )
    line = json_lines({**{name: name for name in same.split()}, "campaign_id": "campaign"})
    return line.str.replace('"category":["newsletter"]', '"category":"newsletter"', literal=True)


def _mails(rng: Rng, people: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """The messages with the provider's ids and their outcome: dropped, bounced (or blocked), or delivered."""
    count = messages.height
    who = people.select("list_email", "list_email_works", "index").select(pl.all().gather(messages["person"]))
    message_id = texts(rng, count, "*" * 22)
    filter_id = pick(rng, _HOSTS, count) + "-1-" + texts(rng, count, "%%%%%%%%-##.0")
    mails = messages.hstack(who).with_columns(
        pl.format("<{}@geopod-ismtpd-{}>", message_id, texts(rng, count, "#")).alias("smtp-id"),
        email="list_email",
        sg_message_id=message_id + ".recvd-" + filter_id,
        asm_group_id=pl.when("promo").then(24_102).otherwise(24_101),
        in_body=pl.Series(chance(rng, 0.02, count)),
        ip=_ips(rng, count),
        # Apple fetches the images for Apple Mail users, whether they read the message or not.
        apple=(pl.col("index") * 2_654_435_761) % 100 < 33,
    )
    first = pl.col("at") == pl.col("at").min().over("person")
    dead = ~pl.col("list_email_works") & ~pl.col("blocked")
    full = pl.Series(chance(rng, 0.007, count)) & ~messages["answered"] & ~messages["opts_out"]
    blocks = full & ~pl.col("blocked") & ~dead
    return mails.with_columns(drops=pl.col("blocked") | (dead & ~first), bounces=(dead & first) | blocks, blocks=blocks)


def _ips(rng: Rng, count: int) -> pl.Series:
    """Addresses of the documentation range 203.0.113.0/24 (RFC 5737)."""
    return "203.0.113." + pl.Series("ip", rng.integers(1, 255, count)).cast(pl.String)


def _event(mails: pl.DataFrame, name: str, at: pl.Expr, **values: pl.Expr | pl.Series) -> pl.DataFrame:
    return mails.select(*_KEPT, at=at, event=pl.lit(name), **values)


def _later(rng: Rng, mails: pl.DataFrame, low: int, high: int) -> pl.Expr:
    return pl.col("at") + pl.Series(rng.integers(low, high, mails.height))


def _delivery_events(rng: Rng, mails: pl.DataFrame) -> list[pl.DataFrame]:
    dropped, bounced = mails.filter("drops"), mails.filter("bounces")
    delivered = mails.filter(~pl.col("drops") & ~pl.col("bounces"))
    deferred = delivered.filter(pl.Series(chance(rng, 0.02, delivered.height)))
    why_dropped = pl.when("blocked").then(pl.lit("Unsubscribed Address")).otherwise(pl.lit("Bounced Address"))
    busy = pl.lit("451 4.7.1 try again later")
    received = _later(rng, delivered, 3 * SECOND, 40 * SECOND)
    ip, tls = pl.col("ip"), pl.lit(1)
    return [
        _event(mails.filter(~pl.col("drops")), "processed", pl.col("at")),
        _event(dropped, "dropped", pl.col("at"), reason=why_dropped),
        _event(deferred, "deferred", pl.col("at") + 2 * SECOND, response=busy, attempt=pl.lit("1")),
        _bounces(rng, bounced),
        _event(delivered, "delivered", received, ip=ip, tls=tls, response=pl.lit("250 2.0.0 OK")),
    ]


def _bounces(rng: Rng, bounced: pl.DataFrame) -> pl.DataFrame:
    """Hard bounces, and blocks: temporary refusals by a full mailbox."""
    full = pl.lit("452 4.2.2 The recipient's mailbox is over quota")
    unknown = pl.lit("550 5.1.1 The email account that you tried to reach does not exist")
    return _event(
        bounced,
        "bounce",
        _later(rng, bounced, 2 * SECOND, 20 * SECOND),
        ip=pl.col("ip"),
        tls=pl.lit(1),
        type=pl.when("blocks").then(pl.lit("blocked")).otherwise(pl.lit("bounce")),
        status=pl.when("blocks").then(pl.lit("4.2.2")).otherwise(pl.lit("5.1.1")),
        reason=pl.when("blocks").then(full).otherwise(unknown),
    )


def _engagement_events(rng: Rng, mails: pl.DataFrame) -> list[pl.DataFrame]:
    """Opens by Apple's proxy and by people, clicks, and opt-outs."""
    reading = (mails["p"] * 1.3 + 0.14).clip(0, 0.9).to_numpy()
    reads = pl.Series(chance(rng, reading, mails.height)) | mails["answered"]
    by_apple, opened = mails.filter("apple"), mails.filter(reads & ~mails["apple"])
    clicked = mails.filter("answered")
    fetched = _later(rng, by_apple, 41 * SECOND, 20 * MINUTE)
    proxy = {"useragent": pl.lit(_APPLE_PROXY), "sg_machine_open": pl.lit(True), "ip": pl.col("ip")}
    reader = {"useragent": pick(rng, _USER_AGENTS, opened.height), "ip": _ips(rng, opened.height)}
    browser = {"useragent": pick(rng, _USER_AGENTS[:2], clicked.height), "ip": _ips(rng, clicked.height)}
    link = pl.format("https://shop.example/c/{}?utm_medium=email", "campaign")
    clicked_at = pl.col("reacted_at") + pl.Series(rng.integers(4, 90, clicked.height) * SECOND)
    return [
        _event(by_apple, "open", fetched, **proxy),
        _event(opened, "open", pl.col("reacted_at"), sg_machine_open=pl.lit(False), **reader),
        _event(clicked, "click", clicked_at, url=link, **browser),
        *_opt_outs(rng, mails.filter("opts_out")),
    ]


def _opt_outs(rng: Rng, out: pl.DataFrame) -> list[pl.DataFrame]:
    kind = pick(rng, ["unsubscribe", "group_unsubscribe", "spamreport"], out.height, [5, 4, 1])
    returns = pl.Series(chance(rng, 0.06, out.height)) & (kind == "group_unsubscribe")
    back_at = pl.col("reacted_at") + 3 * DAY
    return [
        _event(out, "unsubscribe", pl.col("reacted_at") + 100 * SECOND).with_columns(event=kind),
        _event(out.filter(returns), "group_resubscribe", back_at, ip=pl.col("ip")),
    ]
