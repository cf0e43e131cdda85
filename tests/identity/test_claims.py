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


CRM: dict[str, Any] = {"source": "crm", "is_claim": False}
VICTIMS: dict[str, dict[str, Any]] = {
    "a1": {**CRM, "customer_id": "A", "email": "anna@example.com", "phone": "+41790000001"},
    "a2": {**CRM, "customer_id": "B", "email": "beat@example.com", "phone": "+41790000002"},
    # What holds two observations of one person together without a claim still does.
    "a3": {"source": "shop", "email": "anna@example.com", "first_name": "Anna", "is_claim": False},
}
BRIDGES = {
    "one claim": {"c": {"email": "anna@example.com", "phone": "+41790000002"}},
    "two claims of one browser": {
        "c": {"email": "anna@example.com", "anonymous_id": "x"},
        "d": {"phone": "+41790000002", "anonymous_id": "x"},
    },
    "a chain of claims": {
        "c": {"email": "anna@example.com", "anonymous_id": "x"},
        "d": {"anonymous_id": "x", "customer_id": "evil"},
        "e": {"phone": "+41790000002", "customer_id": "evil"},
    },
}


@pytest.mark.parametrize("bridge", BRIDGES)
@pytest.mark.parametrize("order", ["before", "after"])
def test_claims_never_unite_two_people_of_whom_others_have_told(bridge: str, order: str) -> None:
    claims = {f"0{name}" if order == "before" else name: row for name, row in BRIDGES[bridge].items()}
    claims = {name: {"source": "web", "is_claim": True, **row} for name, row in claims.items()}
    people = VICTIMS | claims
    members = dict(resolved(warehouse_of(people), people))
    assert members["a1"] == members["a3"] != members["a2"]
    # The claims are somebody's all the same.
    assert {members[name] for name in claims} <= {members["a1"], members["a2"]}


def test_claims_of_one_browser_are_one_person_with_whom_they_name() -> None:
    people = {
        "a1": VICTIMS["a1"],
        "c": {"source": "web", "is_claim": True, "email": "anna@example.com", "anonymous_id": "x"},
        "d": {"source": "web", "is_claim": True, "anonymous_id": "x"},
    }
    assert len(set(dict(resolved(warehouse_of(people), people)).values())) == 1
