"""Products: the catalogue, what goes with what, what is in season, and what each person has shown interest in.

They fill the `products` blocks of messages (`cdp/products/`).
"""

from __future__ import annotations

from datetime import datetime

from cdp import tables
from cdp.warehouse import Warehouse
from pipelines.statements import statement


def describe_products(warehouse: Warehouse, *, as_of: datetime) -> int:
    """Write the tables of `products` as of a time; returns the number of products.

    Reads the temporary table `numbered`.
    """
    made = ("keys", "catalogue", "product_activity", "interests", "companions", "season")
    for name in made:
        text = statement(f"products/{name}")
        warehouse.run(text, {"as_of": as_of} if "$as_of" in text else None, name=name)
    warehouse.run("drop table product_activity", name="product_activity")
    return warehouse.count(tables.CATALOGUE.full_name)
