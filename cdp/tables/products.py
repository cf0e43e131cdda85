"""The schema `products`: the catalogue, what goes with what, what is in season, and each person's interests."""

from __future__ import annotations

from cdp import fields as f
from cdp.contract import Column, Reference, Rule, Table

CATALOGUE = Table(
    "products",
    "catalogue",
    "a product, as its sources told of it last",
    (
        Column("product_id", f.Text, True),
        Column("name", f.Text),
        Column("url", f.WebUrl, False, "of its page; messages show no product without name and page"),
        Column("image_url", f.WebUrl),
        Column("prices", f.Json, False, "the last price in each currency"),
    ),
    key=("product_id",),
)

PRODUCT_KEYS = Table(
    "products",
    "keys",
    "a name under which sources know a product: an id, or an SKU",
    (Column("key", f.Text, True), Column("product_id", f.Text, True, "the same for all names of one product")),
    key=("key",),
    references=(Reference("product_id", "products.catalogue", "product_id"),),
)

COMPANIONS = Table(
    "products",
    "companions",
    "a product that the buyers of another one have bought, too, more often than by chance",
    (
        Column("product_id", f.Text, True),
        Column("companion_id", f.Text, True),
        Column("rank", f.Count, True, "1 for the most similar"),
        Column("buyer_count", f.Count, True, "people who have bought both"),
        Column("lift", f.Number, True, "how many times as many as if people bought independently"),
        Column("similarity", f.Rate, True, "cosine: buyers of both / √(buyers of one · buyers of the other)"),
    ),
    key=("product_id", "companion_id"),
    references=(
        Reference("product_id", "products.catalogue", "product_id"),
        Reference("companion_id", "products.catalogue", "product_id"),
    ),
)

SEASON = Table(
    "products",
    "season",
    "a product that more people bought in the last 28 days than the 84 days before let expect",
    (
        Column("rank", f.Count, True, "1 for the steepest rise"),
        Column("product_id", f.Text, True),
        Column("buyer_count", f.Count, True, "people who bought it in the last 28 days"),
        Column("expected_count", f.Number, True, "buyers in the 84 days before, scaled to the recent sales of all"),
        Column("rise", f.Number, True, "(buyer_count - expected_count) / √(expected_count + 1)"),
    ),
    key=("product_id",),
    references=(Reference("product_id", "products.catalogue", "product_id"),),
)

INTERESTS = Table(
    "products",
    "interests",
    "a product that a person has viewed, put into the cart, or bought, with the last time of each",
    (
        Column("profile_id", f.ProfileId, True),
        Column("product_id", f.Text, True),
        Column("viewed_at", f.UtcTime),
        Column("added_at", f.UtcTime, False, "put into the cart, or still in it as the checkout started"),
        Column("removed_at", f.UtcTime, False, "taken out of the cart"),
        Column("bought_at", f.UtcTime),
    ),
    key=("profile_id", "product_id"),
    references=(
        Reference("profile_id", "profiles.profiles", "profile_id"),
        Reference("product_id", "products.catalogue", "product_id"),
    ),
    rules=(
        Rule(
            "some_interest",
            "a row has at least one time",
            "select profile_id from products.interests "
            "where coalesce(viewed_at, added_at, removed_at, bought_at) is null",
        ),
    ),
)
