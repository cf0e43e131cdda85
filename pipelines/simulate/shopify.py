"""Objects of the Shopify Admin API: orders and customers.

Format: https://shopify.dev/docs/api/admin-rest/latest/resources/order and …/customer
"""

from __future__ import annotations

import polars as pl

from pipelines.simulate.accounts import as_known
from pipelines.simulate.clock import DAY, HOUR, MINUTE, Clock
from pipelines.simulate.draw import Rng, chance
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
from pipelines.simulate.vocabulary import PRODUCTS

_CREATED = r'"created_at":"[^"]*"'
_BAD_TIME = Fault(_CREATED, '"created_at":"2026-02-31T25:61:00-05:00"', names_a_person=True)
ORDERS = LogFile("shopify_orders", ".jsonl.gz", (TRUNCATED, _BAD_TIME))
CUSTOMERS = LogFile(
    "shopify_customers",
    ".json",
    (Fault(r'"updated_at":"[^"]*"', '"updated_at":"2026-02-31T25:61:00-05:00"', names_a_person=True),),
    opening='{"customers":[\n',
    separator=",\n",
    closing="\n]}\n",
)
_ORDER_BASE = 5_400_000_000_000
_PRODUCT_BASE, _VARIANT_BASE = 7_720_000_000_000, 42_410_000_000_000
_DESCRIBING = [
    "shop_id",
    "shop_first_name",
    "last_name",
    "shop_email",
    "phone",
    "typed_phone",
    "street",
    "postcode",
]


def priced_orders(rng: Rng, people: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """The orders with ids, currency and amounts: subtotal, discount, total."""
    who = people.select("index", "currency").select(pl.all().gather(orders["person"]))
    prices = pl.Series([price for _, _, price in PRODUCTS])
    first = prices.gather(orders["product"])
    second = prices.gather(orders["second_product"].clip(0)) * (orders["second_product"] >= 0).cast(pl.Float64)
    orders = orders.hstack(who).with_columns(subtotal=first * orders["quantity"] + second)
    off = pl.when(pl.col("code").is_not_null()).then((pl.col("subtotal") * 0.15).round(2)).otherwise(0.0)
    return orders.with_columns(
        order_id=(_ORDER_BASE + (pl.col("index") * 1_009 + pl.col("number")) * 64).cast(pl.String),
        discount=off,
        total=(pl.col("subtotal") - off).round(2),
        refunded=pl.Series(chance(rng, 0.04, orders.height)),
        cancelled=pl.Series(chance(rng, 0.02, orders.height)),
    )


def order_rows(clock: Clock, people: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Online orders, one JSON object per row, with the customer as known at the time."""
    online = orders.filter("online").drop("index", "currency")
    known = as_known(people, online["person"], online["at"])
    orders = online.hstack(_as_customers(known)).with_columns(
        refunded=pl.col("refunded") & ~pl.col("cancelled") & (pl.col("at") + 5 * DAY < clock.end),
        updated=pl.col("at") + 2 * HOUR,
    )
    return log_rows(orders, _DESCRIBING, _order_line())


def customer_rows(people: pl.DataFrame, outs: pl.DataFrame) -> pl.DataFrame:
    """The shop's customers as last updated, one JSON object per row."""
    people = people.hstack(outs).with_row_index("person")
    shop = people.filter("has_shop").with_columns(
        at=pl.max_horizontal("shop_updated_at", "out_email", "out_sms"),
    )
    known = as_known(shop, pl.Series(range(shop.height), dtype=pl.UInt32), shop["at"])
    customers = _as_customers(known).with_columns(updated="at")
    return log_rows(customers, _DESCRIBING, _customer_line())


def _as_customers(known: pl.DataFrame) -> pl.DataFrame:
    """The shop has the mobile or the landline number; in addresses people type it in their national format."""
    by_kind = (
        pl.when(pl.col("shop_phone") == "mobile")
        .then("mobile")
        .when(pl.col("shop_phone") == "landline")
        .then("landline")
    )
    typed = pl.when(pl.col("index") % 97 == 0).then(pl.lit("0000000000")).otherwise(national(pl.col("phone")))
    return known.with_columns(phone=by_kind).with_columns(typed_phone=pl.when(pl.col("index") % 3 == 0).then(typed))


def national(phone: pl.Expr) -> pl.Expr:
    """International numbers in their national format."""
    forms = {
        r"^\+1(\d{3})(\d{3})(\d{4})$": "(${1}) ${2}-${3}",
        r"^\+44(\d{4})(\d+)$": "0${1} ${2}",
        r"^\+49(\d{3})(\d+)$": "0${1} ${2}",
        r"^\+33(\d)(\d\d)(\d\d)(\d\d)(\d\d)$": "0${1} ${2} ${3} ${4} ${5}",
        r"^\+34(\d{3})(\d{3})(\d{3})$": "${1} ${2} ${3}",
        r"^\+31(\d{2})(\d+)$": "0${1}-${2}",
        r"^\+61(\d)(\d{4})(\d{4})$": "0${1} ${2} ${3}",
        r"^\+55(\d\d)(\d+)(\d{4})$": "(${1}) ${2}-${3}",
    }
    for pattern, form in forms.items():
        phone = phone.str.replace(pattern, form)
    return phone


def _shop_time(at: pl.Expr) -> pl.Expr:
    local = pl.from_epoch(at, "ms").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    return local.dt.strftime("%Y-%m-%dT%H:%M:%S%:z")


def _price(amount: pl.Expr) -> pl.Expr:
    return amount.cast(pl.Decimal(18, 2)).cast(pl.String)


def _address() -> pl.Expr:
    return json_object(
        {
            "first_name": "shop_first_name",
            "last_name": "last_name",
            "name": pl.concat_str("shop_first_name", "last_name", separator=" "),
            "address1": "street",
            "city": "city",
            "province": "region",
            "country": "country_name",
            "zip": "postcode",
            "phone": "typed_phone",
            "country_code": "country",
        }
    )


def _customer_fields() -> Fields:
    return {
        "id": "shop_id",
        "email": "shop_email",
        "created_at": _shop_time(pl.col("shop_created_at")),
        "updated_at": _shop_time(pl.col("updated")),
        "first_name": "shop_first_name",
        "last_name": "last_name",
        "state": pl.lit("enabled"),
        "verified_email": pl.lit(True),
        "phone": "phone",
        "tags": pl.lit(""),
        "currency": "currency",
    }


def _customer_line() -> pl.Expr:
    consents = {
        "email_marketing_consent": _consent("email"),
        "sms_marketing_consent": given("phone", _consent("sms")),
    }
    return json_lines({**_customer_fields(), "default_address": _address(), **consents}, keep_nulls=True)


def _consent(channel: str) -> pl.Expr:
    out, agreed = pl.col(f"out_{channel}"), pl.col(f"can_{channel}")
    unasked = pl.when(agreed).then(pl.lit("subscribed")).otherwise(pl.lit("not_subscribed"))
    changed = pl.coalesce(out, pl.when(agreed).then("shop_created_at"))
    return json_object(
        {
            "state": pl.when(out.is_not_null()).then(pl.lit("unsubscribed")).otherwise(unasked),
            "opt_in_level": pl.lit("single_opt_in"),
            "consent_updated_at": _shop_time(changed),
        }
    )


def _line_items() -> pl.Expr:
    first = _line_item("product", pl.col("quantity"), 1)
    second = _line_item("second_product", pl.lit(1, dtype=pl.Int64), 0)
    return pl.concat_list(first, second).list.drop_nulls()


def _line_item(column: str, quantity: pl.Expr, number: int) -> pl.Expr:
    catalogue = pl.DataFrame(PRODUCTS, schema=["name", "sku", "price"], orient="row")
    place = pl.col(column).clip(0).cast(pl.UInt32)
    item = json_object(
        {
            "id": _order_number() * 2 + number,
            "product_id": place.cast(pl.Int64) * 1_013 + _PRODUCT_BASE,
            "variant_id": place.cast(pl.Int64) * 1_019 + _VARIANT_BASE,
            "title": pl.lit(catalogue["name"]).gather(place),
            "sku": pl.lit(catalogue["sku"]).gather(place),
            "quantity": quantity,
            "price": _price(pl.lit(catalogue["price"]).gather(place)),
        }
    )
    return pl.when(pl.col(column) >= 0).then(item)


def _order_number() -> pl.Expr:
    return pl.col("order_id").cast(pl.Int64)


def _refunds() -> pl.Expr:
    at, order = _shop_time(pl.col("at") + 4 * DAY), _order_number()
    transaction = {
        "id": order * 2 + 5,
        "order_id": order,
        "amount": _price(pl.col("total")),
        "kind": pl.lit("refund"),
        "status": pl.lit("success"),
        "created_at": at,
        "currency": pl.col("currency"),
    }
    transactions = pl.concat_list(json_object(transaction))
    refund = {"id": order * 2 + 3, "order_id": order, "created_at": at, "transactions": transactions}
    return pl.concat_list(pl.when("refunded").then(json_object(refund))).list.drop_nulls()


def _discount_codes() -> pl.Expr:
    code = {"code": pl.col("code"), "amount": _price(pl.col("discount")), "type": pl.lit("percentage")}
    return pl.concat_list(given("code", json_object(code))).list.drop_nulls()


def _order_line() -> pl.Expr:
    paid = pl.when("refunded").then(pl.lit("refunded")).otherwise(pl.lit("paid"))
    refunded_at = pl.col("at") + 4 * DAY
    return json_lines(
        {
            "id": _order_number(),
            "email": "shop_email",
            "created_at": _shop_time(pl.col("at")),
            "updated_at": _shop_time(pl.when("refunded").then(refunded_at).otherwise("updated")),
            "cancelled_at": _shop_time(pl.when("cancelled").then(pl.col("at") + 30 * MINUTE)),
            "cancel_reason": pl.when("cancelled").then(pl.lit("customer")),
            "name": pl.format("#{}", (_order_number() - _ORDER_BASE) // 64 + 1001),
            "currency": "currency",
            "total_price": _price(pl.col("total")),
            "subtotal_price": _price(pl.col("subtotal")),
            "total_discounts": _price(pl.col("discount")),
            "financial_status": pl.when("cancelled").then(pl.lit("voided")).otherwise(paid),
            "test": pl.lit(False),
            "customer_locale": "locale",
            "source_name": pl.lit("web"),
            "phone": "phone",
            "discount_codes": _discount_codes(),
            "customer": json_object(_customer_fields()),
            "billing_address": _address(),
            "shipping_address": _address(),
            "line_items": _line_items(),
            "refunds": _refunds(),
        },
        keep_nulls=True,
    )
