"""What only write keys have told does not spoil an identifier that others have told of."""

from __future__ import annotations

from typing import Any

import pytest

from cdp.warehouse import Warehouse
from tests.identity.observations import resolved, warehouse_of

EMAIL = "vera@example.com"
NAMES = ("Ann", "Bob", "Cleo", "Dirk", "Emil", "Fritz", "Gwen", "Hugo")
CLAIMS: dict[str, dict[str, Any]] = {
    name: {
        "source": "web",
        "customer_id": name,
        "first_name": name,
        "last_name": "Evil",
        "email": EMAIL,
        "is_claim": True,
    }
    for name in NAMES
}
TRUSTED = {
    "vera": {"first_name": "Vera", "last_name": "Victim", "email": EMAIL, "customer_id": "C1", "is_claim": False}
}


def quality_of(warehouse: Warehouse) -> Any:
    return warehouse.scalar("select quality from identity.identifier_values where value = $1", [EMAIL])


@pytest.mark.parametrize(("people", "quality"), [(TRUSTED | CLAIMS, "unique"), (CLAIMS, "junk")])
def test_many_claims_do_not_make_somebodys_address_junk(people: dict[str, dict[str, Any]], quality: str) -> None:
    warehouse = warehouse_of(people)
    resolved(warehouse, people)
    assert quality_of(warehouse) == quality
