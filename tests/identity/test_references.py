"""Parsing of references to people as typed by users."""

from __future__ import annotations

import pytest

from cdp.errors import UsageError
from identity.references import parse

PROFILE = "prf_6PTQFM0E57EW5XM092TQ6SKER2"
OBSERVATION = "027b627702bdec8fbbbc74ec1714eadb"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (PROFILE, "profile", PROFILE),
        (OBSERVATION, "observation", OBSERVATION),
        ("Ann@Example.com", "email", "ann@example.com"),
        ("email:Ann@Example.com", "email", "ann@example.com"),
        ("(415) 555-0101", "phone", "+14155550101"),
        ("+44 20 7946 0101", "phone", "+442079460101"),
        ("phone:4155550101", "phone", "+14155550101"),
        ("customer_id:crm:C-17", "customer_id", "crm:C-17"),
        ("anonymous_id:a b", "anonymous_id", "a b"),
    ],
)
def test_ids_and_identifiers_are_distinguished(text: str, kind: str, value: str) -> None:
    reference = parse(text, "A", "US")
    assert (reference.kind, reference.value) == (kind, value)


@pytest.mark.parametrize("text", ["", "Ann", "email:", "email:ann", "@", "phone:12", "fax:+14155550101", PROFILE[:-1]])
def test_invalid_references_are_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text, "A", "US")
    assert refused.value.where == "A"
    assert "ann" not in refused.value.line()
