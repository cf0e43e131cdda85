"""Events of the web shop and the app in the format of Segment, the company.

Format: https://segment.com/docs/connections/spec/ (common fields, e-commerce and mobile events)
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.simulate.accounts import as_known
from pipelines.simulate.behaviour import make_visits
from pipelines.simulate.clock import MINUTE, SECOND, Clock
from pipelines.simulate.draw import UUID4, Rng, chance, texts
from pipelines.simulate.files import (
    TRUNCATED,
    Fault,
    Fields,
    LogFile,
    given,
    json_lines,
    json_object,
    log_rows,
)
from pipelines.simulate.vocabulary import PRODUCTS, SHOP_URL

EVENTS = LogFile(
    "segment_events",
    ".jsonl.gz",
    (TRUNCATED, Fault(r'"timestamp":"[^"]*"', '"timestamp":"2026-02-31T25:61:00.000Z"', names_a_person=True)),
)

# How far the clocks of devices are ahead, in milliseconds.
_CLOCK_SKEW = 45
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
)
_SHOWN = ["Product Viewed", "Product Added"]
_DESCRIBING = [
    "user_id", "anonymous_id", "token", "locale", "timezone", "email", "phone", "first", "last", "birthday",
    "street",
    "context_phone", "previous_id",
]  # fmt: skip


def event_rows(
    rng: Rng,
    clock: Clock,
    people: pl.DataFrame,
    messages: pl.DataFrame,
    orders: pl.DataFrame,
    sms_clicks: pl.DataFrame,
) -> pl.DataFrame:
    """All events, one JSON object per row."""
    web = _web_events(rng, clock, people, messages, orders, sms_clicks)
    app = _app_events(rng, clock, people, messages)
    events = pl.concat([_as_seen_on_web(rng, people, web), _as_seen_in_app(people, app)], how="diagonal")
    events = events.filter(pl.col("at").is_between(clock.start, clock.end))
    count = events.height
    events = events.with_columns(
        message_id=texts(rng, count, UUID4),
        ip=pl.format("198.51.100.{}", (pl.col("person") * 7_919) % 254 + 1),
        delay=pl.Series(np.where(chance(rng, 0.02, count), rng.integers(0, 90 * MINUTE, count), 0)) + 600,
        product=pl.col("product").fill_null(0).cast(pl.UInt32),
        currency=people["currency"].gather(events["person"]),
    )
    return log_rows(events, _DESCRIBING, _line())


def _track(rows: pl.DataFrame, event: str, later: int = 0, **columns: pl.Expr) -> pl.DataFrame:
    values = {"kind": pl.lit("track"), "event": pl.lit(event), "at": pl.col("at") + later, **columns}
    return rows.with_columns(**values)


def _web_events(
    rng: Rng,
    clock: Clock,
    people: pl.DataFrame,
    messages: pl.DataFrame,
    orders: pl.DataFrame,
    sms_clicks: pl.DataFrame,
) -> pl.DataFrame:
    visits = make_visits(rng, clock, people, "web", 2.5)
    visits = visits.with_columns(product=pl.Series(rng.integers(0, len(PRODUCTS), visits.height)))
    return pl.concat(
        [
            _browsing(rng, visits),
            _landings(rng, people, messages),
            _track(sms_clicks, "SMS Link Clicked", has_link=pl.lit(True)).select(
                "person", "at", "kind", "event", "campaign", "has_link", medium=pl.lit("sms")
            ),
            _checkouts(people, orders),
            _web_identifies(clock, people),
            _groups(rng, clock, people),
        ],
        how="diagonal",
    )


def _browsing(rng: Rng, visits: pl.DataFrame) -> pl.DataFrame:
    depth = pl.Series(rng.random(visits.height))
    page = visits.with_columns(kind=pl.lit("page"), page_name=pl.lit("Home"))
    viewed = _track(visits.filter(depth < 0.62), "Product Viewed", 40 * SECOND)
    added = _track(visits.filter(depth < 0.2), "Product Added", 3 * MINUTE)
    started = _track(visits.filter(depth < 0.06), "Checkout Started", 5 * MINUTE)
    return pl.concat([page, viewed, added, started], how="diagonal")


def _landings(rng: Rng, people: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """Page views with campaign parameters, from 75% of the clicks in e-mails."""
    clicked = messages.filter((pl.col("channel") == "email") & pl.col("answered"))
    has_web = people["has_web"].gather(clicked["person"])
    landed = clicked.filter(has_web & pl.Series(chance(rng, 0.75, clicked.height)))
    return landed.select(
        "person", "campaign", at=pl.col("reacted_at") + 100 * SECOND, kind=pl.lit("page"),
        page_name=pl.lit("Offer"),
        medium=pl.lit("email"),
    )  # fmt: skip


def _checkouts(people: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Online orders of people with a tracked browser: the same orders as in the shop."""
    has_web = people["has_web"].gather(orders["person"])
    online = orders.filter(orders["online"] & has_web)
    columns = ["person", "at", "product", "quantity", "code", "order_id", "total", "discount"]
    bought = online.select(columns)
    return pl.concat(
        [
            _track(bought, "Checkout Started", -4 * MINUTE).drop("order_id", "total"),
            _track(bought, "Order Completed"),
        ],
        how="diagonal",
    )


def _web_identifies(clock: Clock, people: pl.DataFrame) -> pl.DataFrame:
    """Identify calls at which visitors give an e-mail address, repeated in each browser used from then on."""
    who = people.select(
        pl.int_range(pl.len()).alias("person"), "has_web", "web_email", "web_gives_name", "first_name",
        "last_name",
        "browser_changed_at", at="web_identified_at",
    ).filter("has_web", pl.col("at") < clock.end)  # fmt: skip
    again = who.filter((pl.col("browser_changed_at") < clock.end) & (pl.col("browser_changed_at") > pl.col("at")))
    calls = pl.concat([who, again.with_columns(at=pl.col("browser_changed_at") + MINUTE)])
    return calls.select(
        "person", "at", kind=pl.lit("identify"), email="web_email",
        first=pl.when("web_gives_name").then("first_name"), last=pl.when("web_gives_name").then("last_name"),
    )  # fmt: skip


def _groups(rng: Rng, clock: Clock, people: pl.DataFrame) -> pl.DataFrame:
    """Group calls of loyalty-club members, and alias calls that merge an anonymous id into an account."""
    member = people.select(
        pl.int_range(pl.len()).alias("person"), "has_web", "web_user_id", "web_identified_at", "browser_1"
    )
    member = member.filter("has_web", pl.col("web_user_id").is_not_null(), pl.col("web_identified_at") < clock.end)
    roll = pl.Series(rng.random(member.height))
    at = pl.col("web_identified_at") + 30 * SECOND
    clubs = member.filter(roll < 0.15).select("person", at=at, kind=pl.lit("group"), group_id=pl.lit("loyalty-club"))
    aliases = member.filter(roll > 0.94).select("person", at=at, kind=pl.lit("alias"), previous_id="browser_1")
    return pl.concat([clubs, aliases], how="diagonal")


def _as_seen_on_web(rng: Rng, people: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Add the data that the web library sends: browser, account once known, locale and page."""
    names = [
        "browser_1",
        "browser_2",
        "browser_changed_at",
        "web_identified_at",
        "web_user_id",
        "locale",
        "timezone",
    ]
    who = people.select(*names, "number_changed_at", "mobile", "former_mobile").select(
        pl.all().gather(events["person"])
    )
    seen = events.hstack(who).with_columns(
        anonymous_id=pl.when(pl.col("at") < pl.col("browser_changed_at")).then("browser_1").otherwise("browser_2"),
        user_id=pl.when(pl.col("at") >= pl.col("web_identified_at")).then("web_user_id"),
        library=pl.lit("analytics.js"),
        version=pl.lit("next-1.77.0"),
        agent=pl.Series(_AGENTS).gather(pl.Series((events["person"] % len(_AGENTS)).cast(pl.UInt32))),
        url=pl.when(pl.col("kind").is_in(["page", "track"])).then(pl.lit(SHOP_URL)),
    )
    number = pl.when(pl.col("at") < pl.col("number_changed_at")).then("former_mobile").otherwise("mobile")
    return seen.with_columns(context_phone=pl.when("has_link").then(number))


def _app_events(rng: Rng, clock: Clock, people: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    visits = make_visits(rng, clock, people, "app", 3.0)
    visits = visits.with_columns(product=pl.Series(rng.integers(0, len(PRODUCTS), visits.height)))
    depth = pl.Series(rng.random(visits.height))
    return pl.concat(
        [
            _track(visits, "Application Opened"),
            visits.filter(depth < 0.55).with_columns(
                at=pl.col("at") + 3 * SECOND, kind=pl.lit("screen"), page_name=pl.lit("Catalogue")
            ),
            _track(visits.filter(depth < 0.3), "Product Viewed", 50 * SECOND),
            *_push_events(rng, people, messages),
            _app_identifies(clock, people),
        ],
        how="diagonal",
    )


def _push_events(rng: Rng, people: pl.DataFrame, messages: pl.DataFrame) -> list[pl.DataFrame]:
    pushes = messages.filter((pl.col("channel") == "push") & ~pl.col("blocked"))
    android = people["device_type"].gather(pushes["person"]) == "android"
    received = pushes.filter(android & (pl.Series(chance(rng, 0.5, pushes.height)) | pushes["answered"]))
    columns = ["person", "campaign", "at"]
    tapped = pushes.filter("answered").with_columns(at="reacted_at")
    return [
        _track(received.select(columns), "Push Notification Received", 65 * SECOND, medium=pl.lit("push")),
        _track(tapped.select(columns), "Push Notification Tapped", 70 * SECOND, medium=pl.lit("push")),
    ]


def _app_identifies(clock: Clock, people: pl.DataFrame) -> pl.DataFrame:
    """Identify calls at login, or at a start of the app for people who logged in before the period."""
    who = people.select(
        pl.int_range(pl.len()).alias("person"),
        "has_app",
        "app_logs_in",
        at=pl.when(pl.col("app_login_at") < clock.start).then("app_opened_at").otherwise("app_login_at"),
    ).filter("has_app", "app_logs_in")
    known = as_known(people, who["person"], who["at"])
    given = known.select(
        email="app_email", phone=pl.when("app_gives_phone").then("mobile"), first="first_name",
        last="last_name",
        birthday=pl.when("app_gives_birth").then(pl.col("birth").dt.strftime("%Y-%m-%d")),
        street=pl.when(pl.col("index") % 3 == 0).then("street"), city="city", postcode="postcode",
        country="country",
    )  # fmt: skip
    return who.select("person", "at", kind=pl.lit("identify")).hstack(given)


def _as_seen_in_app(people: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Add the data that the app library sends: device, token, and the account after login."""
    names = ["app_anonymous_id", "instance_id", "token_tail", "device_type", "app_login_at", "app_logs_in"]
    who = people.select(*names, "locale", "timezone", account="user_id").select(pl.all().gather(events["person"]))
    ios = pl.col("device_type") == "ios"
    return events.hstack(who).with_columns(
        anonymous_id="app_anonymous_id",
        user_id=pl.when(pl.col("app_logs_in") & (pl.col("at") >= pl.col("app_login_at"))).then("account"),
        token=pl.format("{}:APA91b{}", "instance_id", "token_tail"),
        library=pl.when(ios).then(pl.lit("analytics-swift")).otherwise(pl.lit("analytics-kotlin")),
        version=pl.when(ios).then(pl.lit("1.6.2")).otherwise(pl.lit("1.16.3")),
    )


def _iso(later: pl.Expr) -> pl.Expr:
    return pl.from_epoch(pl.col("at") + later, "ms").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")


def _line() -> pl.Expr:
    return json_lines(
        {
            "type": "kind",
            "event": "event",
            "name": "page_name",
            "messageId": "message_id",
            "anonymousId": "anonymous_id",
            "userId": "user_id",
            "groupId": "group_id",
            "previousId": "previous_id",
            "context": _context(),
            "traits": pl.when(pl.col("kind") == "identify").then(_traits()),
            "properties": _properties(),
            "timestamp": _iso(pl.lit(0)),
            "originalTimestamp": _iso(pl.lit(_CLOCK_SKEW)),
            "sentAt": _iso(pl.col("delay")),
            "receivedAt": _iso(pl.col("delay") - _CLOCK_SKEW),
        }
    )


def _context() -> pl.Expr:
    page: Fields = {"url": "url", "path": pl.lit("/"), "title": pl.lit("Outdoor shop")}
    source = pl.col("medium").replace_strict({"email": "sendgrid", "sms": "twilio", "push": "fcm"}, default=None)
    campaign: Fields = {"name": "campaign", "source": source, "medium": "medium"}
    device: Fields = {"id": pl.col("instance_id").str.slice(0, 16), "type": "device_type", "token": "token"}
    return json_object(
        {
            "library": json_object({"name": "library", "version": "version"}),
            "ip": "ip",
            "locale": "locale",
            "timezone": "timezone",
            "userAgent": "agent",
            "page": given("url", json_object(page)),
            "campaign": given("medium", json_object(campaign)),
            "device": given("token", json_object(device)),
            "app": given("token", json_object({"name": pl.lit("Outdoor"), "version": pl.lit("5.2.0")})),
            "traits": given("context_phone", json_object({"phone": "context_phone"})),
        }
    )


def _traits() -> pl.Expr:
    address = {"street": "street", "city": "city", "postalCode": "postcode", "country": "country"}
    return json_object(
        {
            "email": "email",
            "phone": "phone",
            "firstName": "first",
            "lastName": "last",
            "birthday": "birthday",
            "address": given("street", json_object(address)),
        }
    )


def _properties() -> pl.Expr:
    """Properties by event: product events have the product, orders have the amounts and the products.

    The web's id of a product is its SKU, as the shop has it.
    """
    catalogue = pl.DataFrame(PRODUCTS, schema=["name", "product_id", "price"], orient="row").with_columns(
        url=f"{SHOP_URL}p/" + pl.col("name").str.to_lowercase().str.replace_all(" ", "-"),
        image_url=f"{SHOP_URL}images/" + pl.col("product_id").str.to_lowercase() + ".jpg",
    )
    parts = ("product_id", "name", "price", "url", "image_url")
    item = {name: pl.lit(catalogue[name]).gather(pl.col("product")) for name in parts}
    ordered = pl.when(pl.col("event") == "Order Completed")
    shown = pl.when(pl.col("event").is_in(_SHOWN))
    return json_object(
        {
            "order_id": ordered.then("order_id"),
            "total": ordered.then("total"),
            "discount": ordered.then("discount"),
            "currency": pl.when(pl.col("event").is_in(["Order Completed", *_SHOWN])).then("currency"),
            "coupon": ordered.then("code"),
            "products": ordered.then(pl.concat_list(json_object({**item, "quantity": pl.col("quantity")}))),
            **{key: shown.then(value) for key, value in item.items()},
            "campaign_id": pl.when(pl.col("medium").is_in(["push", "sms"])).then("campaign"),
        }
    )
